// SPDX-License-Identifier: MIT
export { DockerRunner, Runner, type CallOptions } from './runner.js';
export { Execution } from './execution.js';
export { LightRunnerError, type LightRunnerErrorCode } from './errors.js';
export { deleteState, listStates, readState } from './states.js';
export { cleanupOrphanNetworks, createNetwork, deleteNetwork, networkExists } from './networks.js';
export type {
  CleanupNetworkOptions,
  CreateNetworkOptions,
  Engine,
  ExtractResult,
  ExtractSpec,
  Image,
  Progress,
  RunRequest,
  RunResult,
  RunState,
  RunnerOptions,
  Runtime,
  StopOptions,
} from './types.js';
