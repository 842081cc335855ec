// SPDX-License-Identifier: MIT
// Runs of the real executable, on the engine local; tests/packages/test_node.py says where it is and where an image is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { DockerRunner, LightRunnerError, Runner, deleteState, listStates, readState } from 'light-runner';

const local = { engine: 'local', memory: '64m' };
const runner = new Runner(local);
const base = { image: 'busybox', networks: ['none'] };
const run = (entrypoint, more) => runner.run({ ...base, entrypoint, ...more });

function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'lr-node-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('a run: folder in, input, lines, files out', async (t) => {
  const dir = folder(t), out = folder(t);
  writeFileSync(join(dir, 'name'), 'world');
  const lines = [];
  const execution = run('cat; echo; echo hello $(cat name) $X; echo err >&2; echo $((6*7)) > answer; printf rest', {
    dir, input: { a: [1] }, env: { X: 'x' }, extract: [{ from: 'answer', to: out }, { from: 'nothing', to: out }],
    onLog: (line) => lines.push(line),
  });
  assert.match(execution.id, /^light-runner-[0-9a-f]{12}$/);
  const result = await execution.result;
  assert.equal(result.id, execution.id);
  assert.deepEqual([result.success, result.exitCode, result.cancelled], [true, 0, false]);
  assert.equal(typeof result.duration, 'number');
  assert.deepEqual([...lines].sort(), ['err', 'hello world x', 'rest', '{"a":[1]}']);
  assert.deepEqual(result.extracted.map((e) => e.status), ['ok', 'missing']);
  assert.equal(readFileSync(join(out, 'answer'), 'utf8'), '42\n');
});

test('a command that fails is a result', async () => {
  const result = await run('exit 3').result;
  assert.deepEqual([result.success, result.exitCode], [false, 3]);
});

test('what is wrong', async () => {
  assert.throws(() => runner.run({}), /image/);
  assert.throws(() => run('true', { detached: true, input: 1 }), /input/);
  await assert.rejects(new Runner({ memory: 'much' }).run({ ...base }).result, (error) => {
    assert.ok(error instanceof LightRunnerError && error instanceof Error);
    assert.equal(error.code, 'INVALID_ARGUMENT');
    assert.match(error.field, /memory/);
    assert.equal(JSON.parse(JSON.stringify(error)).code, 'INVALID_ARGUMENT');
    assert.ok(!('cause' in error.toJSON()));
    return true;
  });
});

test('logs as an iterator, which may stop early', async () => {
  const seen = [];
  const execution = run('i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); done');
  for await (const line of execution.logs) seen.push(line);
  assert.deepEqual(seen, Array.from({ length: 1000 }, (_, i) => String(i)));
  const flood = run('yes $(printf %01000d 0) | head -c 20000000');
  for await (const line of flood.logs) {
    assert.equal(line.length, 1000);
    break;
  }
  assert.equal((await flood.result).success, true);
});

test('a slow reader holds no other run back', async () => {
  const flood = run('yes $(printf %01000d 0) | head -c 20000000');
  const reader = flood.logs;
  await reader.next();
  assert.equal((await run('echo other').result).success, true);
  let count = 1;
  for await (const _ of reader) count++;
  assert.equal(count, Math.ceil(20000000 / 1001));
});

test('cancel, signals and disposal', async () => {
  const execution = run('sleep 100');
  execution.cancel();
  execution.cancel();
  assert.equal(execution.cancelled, true);
  assert.equal((await execution.result).cancelled, true);
  assert.equal((await run('sleep 100', { signal: AbortSignal.abort() }).result).cancelled, true);
  assert.equal((await run('sleep 100', { signal: AbortSignal.timeout(300) }).result).cancelled, true);
  const block = run('sleep 100');
  await block[Symbol.asyncDispose]();
  assert.equal((await block.result).cancelled, true);
});

test('stop, pause and resume', async () => {
  const execution = run('trap "exit 5" TERM; while :; do sleep 0.05; done');
  await execution.pause();
  await execution.resume();
  await new Promise((resolve) => setTimeout(resolve, 300));
  await execution.stop({ grace: 20000 });
  const result = await execution.result;
  assert.deepEqual([result.exitCode, result.cancelled], [5, true]);
  await execution.stop();
  await assert.rejects(execution.pause(), LightRunnerError);
});

test('timeouts', async () => {
  const late = await run('sleep 100', { timeout: 300 }).result;
  assert.deepEqual([late.success, late.timedOut], [false, true]);
  assert.equal((await run('true', { timeout: 0 }).result).success, true);
});

test('detached runs', async () => {
  const execution = run('echo out; sleep 0.3; exit 4', { detached: true });
  assert.equal(readState(execution.id).status, 'running');
  assert.ok(Runner.list().some((state) => state.id === execution.id));
  const again = DockerRunner.attach(execution.id);
  assert.equal((await again.result).exitCode, 4);
  assert.equal((await execution.result).exitCode, 4);
  assert.equal(readState(execution.id).status, 'exited');
  assert.equal(DockerRunner.attach('light-runner-000000000000'), null);
  deleteState(execution.id);
  assert.equal(readState(execution.id), null);
  const second = run('true', { detached: true });
  await second.result;
  assert.equal(Runner.cleanupOldStates(0), 1);
  assert.deepEqual(listStates(), []);
  await assert.rejects(run('true', { detached: true, workdir: 'relative' }).result, { code: 'INVALID_ARGUMENT' });
});

test('a ghost has a result', async () => {
  const execution = run('sleep 100', { detached: true });
  const pid = spawnSync('pgrep', ['-f', `light-runner-supervisor run ${execution.id}`]).stdout.toString().trim().split('\n');
  for (const one of pid) process.kill(Number(one), 'SIGKILL');
  assert.deepEqual(await DockerRunner.attach(execution.id).result, { success: false, exitCode: -1, duration: 0, cancelled: false });
  deleteState(execution.id);
});

test('many runs at once', async () => {
  const results = await Promise.all(Array.from({ length: 20 }, (_, i) => run(`exit ${i}`).result));
  assert.deepEqual(results.map((result) => result.exitCode), Array.from({ length: 20 }, (_, i) => i));
});

test('images and housekeeping', async () => {
  assert.ok((await runner.listImages()).some((image) => image.name === 'busybox:latest'));
  await assert.rejects(runner.removeImage('not-there'), { code: 'IMAGE_NOT_FOUND' });
  await runner.available();
  assert.equal((await runner.verify()).verified, true);
  assert.equal(typeof (await Runner.cleanupOrphanStates()), 'number');
  await assert.rejects(runner.listImages({ signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('the executable is missing', () => {
  const script = `import { Runner } from 'light-runner';
    new Runner().run({ image: 'x' }).result.catch((e) => console.log(e.code, e.hint));`;
  const said = (env) => spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, cwd: process.cwd() }).stdout.toString();
  assert.match(said({ PATH: '/nonexistent' }), /IO_FAILED install light-runner/);
  assert.match(said({ PATH: '/usr/bin', LIGHT_RUNNER_BIN: '/nonexistent' }), /IO_FAILED install light-runner/);
});

test('what programs for the TypeScript light-runner rely on', async () => {
  const old = await runner.run({ image: 'busybox', command: 'echo by its older name', network: 'none' }).result;
  assert.equal(old.success, true);
  for (const name of ['isAvailable', 'attach', 'list', 'cleanupOrphanVolumes', 'cleanupOrphanStates', 'reapOrphans', 'cleanupOldStates',
    'cleanupOrphanCache', 'cleanupDanglingImages']) assert.equal(typeof DockerRunner[name], 'function', name);
  const execution = run('sleep 100');
  assert.ok(DockerRunner.list().some((state) => state.id === execution.id && state.status === 'running'));
  execution.cancel();
  await execution.result;
  assert.ok(!DockerRunner.list().some((state) => state.id === execution.id));
  const detached = run('true', { detached: true, timeout: 5000, extract: [{ from: 'a', to: '/tmp/nothing' }] });
  const state = readState(detached.id);
  assert.deepEqual([state.container, state.volume, state.image, state.workdir, state.entrypoint, state.timeout],
    [detached.id, detached.id, 'busybox', '/app', 'true', 5000]);
  await detached.result;
  deleteState(detached.id);
});

test('setup steps that fail', async () => {
  await assert.rejects(run('true', { run: ['echo because; exit 3'] }).result, (error) => {
    assert.deepEqual([error.name, error.code], ['LightRunnerError', 'BUILD_FAILED']);
    assert.match(error.message, /because/);
    assert.equal(error.dockerOp, error.operation);
    return true;
  });
  await assert.rejects(run('true', { run: [1] }).result, { code: 'INVALID_RUN_STEP' });
});

test('a callback that throws harms no run', async () => {
  const seen = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => seen.push(error.message));
  const lines = [];
  const [first, second] = await Promise.all([
    run('seq 100', { onLog: (line) => { throw new Error(line); } }).result,
    run('seq 100', { onLog: (line) => lines.push(line) }).result,
  ]);
  process.removeAllListeners('uncaughtException');
  for (const listener of listeners) process.on('uncaughtException', listener);
  assert.deepEqual([first.success, second.success, seen.length, lines.length], [true, true, 100, 100]);
});

test('housekeeping ends with a signal', async () => {
  const options = { signal: AbortSignal.abort() };
  for (const name of ['cleanupOrphanVolumes', 'cleanupOrphanStates', 'reapOrphans', 'cleanupOrphanCache', 'cleanupDanglingImages'])
    await assert.rejects(Runner[name](options), { name: 'AbortError' }, name);
});
