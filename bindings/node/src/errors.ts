// SPDX-License-Identifier: MIT

/** The codes of light-runner; later versions may add some. */
export type LightRunnerErrorCode =
  | 'DOCKER_UNREACHABLE'
  | 'VOLUME_CREATE_FAILED'
  | 'CONTAINER_START_FAILED'
  | 'SEED_FAILED'
  | 'EXTRACT_FAILED'
  | 'BUILD_FAILED'
  | 'FILE_NOT_FOUND'
  | 'FILE_FAILED'
  | 'POOL_EMPTY'
  | 'INVALID_RUN_STEP'
  | 'INVALID_ARGUMENT'
  | 'IMAGE_INVALID'
  | 'IMAGE_NOT_FOUND'
  | 'NOT_SUPPORTED'
  | 'ISOLATION_FAILED'
  | 'SUPERVISOR_LOST'
  | 'IO_FAILED'
  | 'OUT_OF_MEMORY'
  | 'INTERNAL';

/** An error as light-runner reports it (docs/rpc.md). */
export interface ErrorDocument {
  code: string;
  message: string;
  operation?: string;
  container?: string;
  hint?: string;
  field?: string;
  counts?: Record<string, number>;
}

/** light-runner failed. A command that fails is a result, not an error. */
export class LightRunnerError extends Error {
  override readonly name = 'LightRunnerError';
  readonly code: LightRunnerErrorCode;
  /** What was being done. */
  readonly operation: string | undefined;
  /** The run's id, if it is known. */
  readonly containerId: string | undefined;
  /** What to do about it. */
  readonly hint: string | undefined;
  /** The field of the request that is wrong. */
  readonly field: string | undefined;
  /** What a call that removes things had done before it failed. */
  readonly counts: Record<string, number> | undefined;

  constructor(error: ErrorDocument, cause?: unknown) {
    super(error.message, cause === undefined ? undefined : { cause });
    // The TypeScript light-runner has a code of its own for a setup step that cannot be one.
    const isStep = error.code === 'INVALID_ARGUMENT' && /^run\b/.test(error.field ?? '');
    this.code = isStep ? 'INVALID_RUN_STEP' : (error.code as LightRunnerErrorCode);
    this.operation = error.operation;
    this.containerId = error.container;
    this.hint = error.hint;
    this.field = error.field;
    this.counts = error.counts;
  }

  /** The older name of `operation`. */
  get dockerOp(): string | undefined {
    return this.operation;
  }

  toJSON(): Record<string, unknown> {
    const { name, code, message, operation, containerId, hint, field, counts } = this;
    return { name, code, message, operation, dockerOp: operation, containerId, hint, field, counts };
  }
}
