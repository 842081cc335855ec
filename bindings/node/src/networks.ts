// SPDX-License-Identifier: MIT
import { LightRunnerError } from './errors.js';
import { callWith } from './rpc.js';
import type { CleanupNetworkOptions, CreateNetworkOptions } from './types.js';

const ENGINE = { engine: 'docker' };

/** Creates a network for `networks`. Returns whether it was created: false if there is one of that name already. */
export async function createNetwork(name: string, options: CreateNetworkOptions = {}): Promise<boolean> {
  const { exclusive = false, driver = 'bridge', ...others } = options;
  const unsupported = Object.keys(others).filter((key) => (others as Record<string, unknown>)[key] !== undefined);
  if (driver !== 'bridge') unsupported.push('driver');
  if (unsupported.length > 0)
    throw new LightRunnerError({
      code: 'NOT_SUPPORTED',
      message: `createNetwork(): ${unsupported.join(', ')}: not supported`,
      operation: 'network.create',
      hint: 'create the network with `docker network create`, and name it in `networks`',
    });
  if (await networkExists(name)) {
    if (!exclusive) return false;
    throw new LightRunnerError({
      code: 'INVALID_ARGUMENT',
      message: `there is a network '${name}' already`,
      operation: 'network.create',
    });
  }
  await callWith('network.create', { ...ENGINE, name });
  return true;
}

/** Rejects if there is no such network, or if it is in use. */
export async function deleteNetwork(name: string): Promise<void> {
  await callWith('network.remove', { ...ENGINE, name });
}

export async function networkExists(name: string): Promise<boolean> {
  return ((await callWith('network.exists', { ...ENGINE, name })) as { exists: boolean }).exists;
}

/** Removes unused networks of light-runner. Networks of other prefixes are not touched. */
export async function cleanupOrphanNetworks(options: CleanupNetworkOptions = {}): Promise<number> {
  const { prefix = 'light-runner-' } = options;
  if (!prefix.startsWith('light-runner-') || prefix !== 'light-runner-')
    throw new LightRunnerError({
      code: 'NOT_SUPPORTED',
      message: `cleanupOrphanNetworks(): the prefix '${prefix}' is not supported (expected light-runner-)`,
      operation: 'network.prune',
    });
  return ((await callWith('network.prune', ENGINE)) as { networks: number }).networks;
}
