// SPDX-License-Identifier: MIT
import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { LightRunnerError, type ErrorDocument } from './errors.js';

/** The version of light-runner that this package is made for. */
export const VERSION = '0.1.0';

const PLATFORM = `@light-runner/${process.platform}-${process.arch}`;

const HINT =
  `install light-runner (the package ${PLATFORM}, or make install), or set LIGHT_RUNNER_BIN to the path of its executable`;

/** For an executable that does not work. */
export const DOCTOR = 'see what is missing on this machine: light-runner doctor';

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** In this package, or in the optional dependency for this platform. */
function beside(): string[] {
  const places = [fileURLToPath(new URL('../bin/light-runner', import.meta.url))];
  try {
    const manifest = createRequire(import.meta.url).resolve(`${PLATFORM}/package.json`);
    places.push(join(dirname(manifest), 'bin', 'light-runner'));
  } catch {
    // It is not installed.
  }
  return places;
}

/** $LIGHT_RUNNER_BIN, else beside the package, else on PATH. */
export function findExecutable(): string {
  const given = process.env['LIGHT_RUNNER_BIN'];
  if (given) {
    if (isExecutable(given)) return given;
    throw new LightRunnerError({
      code: 'IO_FAILED',
      message: `LIGHT_RUNNER_BIN is '${given}', which is not an executable file`,
      operation: 'executable.find',
      hint: HINT,
    });
  }
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
  for (const path of [...beside(), ...folders.map((folder) => join(folder, 'light-runner'))])
    if (isExecutable(path)) return path;
  throw new LightRunnerError({
    code: 'IO_FAILED',
    message: "the executable 'light-runner' is neither beside this package nor on PATH",
    operation: 'executable.find',
    hint: HINT,
  });
}

/** Before 1.0, a minor version may break compatibility. */
export function checkVersion(version: string, path: string): void {
  const [major, minor] = version.split('.');
  const [ourMajor, ourMinor] = VERSION.split('.');
  if (major === ourMajor && (major !== '0' || minor === ourMinor)) return;
  throw new LightRunnerError({
    code: 'NOT_SUPPORTED',
    message: `'${path}' is version ${version}, and this package is made for ${VERSION}`,
    operation: 'executable.version',
    hint: `install light-runner ${VERSION} and set LIGHT_RUNNER_BIN to its path, or install the package for version ${version}`,
  });
}

/** The executables whose version is the right one. */
const checked = new Set<string>();

function execute(path: string, words: string[], input = ''): unknown {
  const operation = `executable.${words[0]}`;
  const done = spawnSync(path, words, { input, stdio: ['pipe', 'pipe', 'pipe'], maxBuffer: 1 << 30 });
  if (done.error)
    throw new LightRunnerError({ code: 'IO_FAILED', message: `'${path}' cannot be executed`, operation, hint: HINT }, done.error);
  try {
    return JSON.parse(done.stdout.toString());
  } catch (cause) {
    const said = (done.stderr.toString() || done.stdout.toString()).trim().slice(0, 200);
    throw new LightRunnerError({ code: 'INTERNAL', message: `'${path} ${words[0]}' printed no JSON: ${said}`, operation, hint: DOCTOR }, cause);
  }
}

/** Executes light-runner and waits, for the functions that return at once. Its JSON document. */
export function callSync(words: string[], input?: string): unknown {
  const path = findExecutable();
  if (!checked.has(path)) {
    checkVersion(String((execute(path, ['version', '--json']) as { version?: unknown }).version), path);
    checked.add(path);
  }
  const document = execute(path, words, input);
  const error = (document as { error?: ErrorDocument }).error;
  if (error) throw new LightRunnerError(error);
  return document;
}
