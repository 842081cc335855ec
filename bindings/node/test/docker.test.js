// SPDX-License-Identifier: MIT
// The interface of the TypeScript light-runner, on a daemon.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DockerRunner, createNetwork, deleteNetwork, networkExists, cleanupOrphanNetworks } from 'light-runner';

const skip = (await DockerRunner.isAvailable()) ? false : 'no Docker daemon answers';

test('runs and networks on Docker', { skip }, async () => {
  const runner = new DockerRunner({ memory: '64m', cpus: '1' });
  const result = await runner.run({ image: 'busybox', entrypoint: 'cat /proc/self/maps | head -5' }).result;
  assert.equal(result.success, true);
  assert.equal(await createNetwork('lr-node-test'), true);
  assert.equal(await createNetwork('lr-node-test'), false);
  assert.equal(await networkExists('lr-node-test'), true);
  await deleteNetwork('lr-node-test');
  assert.equal(await networkExists('lr-node-test'), false);
  assert.equal(typeof (await cleanupOrphanNetworks()), 'number');
  const { containers, volumes } = await DockerRunner.reapOrphans();
  assert.deepEqual([typeof containers, typeof volumes], ['number', 'number']);
});
