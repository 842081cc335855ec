// SPDX-License-Identifier: MIT
import { randomBytes } from 'node:crypto';
import { callSync } from './executable.js';
import { Execution, type ExecutionHooks } from './execution.js';
import { callWith, type RpcEvent } from './rpc.js';
import { cleanupOldStates, listStates, readState } from './states.js';
import type { Image, Progress, RunRequest, RunState, RunnerOptions } from './types.js';

/** The longest timeout that light-runner takes: ten years. */
const NO_TIMEOUT = 3650 * 24 * 3600 * 1000;

const LAST_WEEK = 7 * 24 * 3600 * 1000;

/** Attached runs of this process, for `list()`. */
const attached = new Map<string, RunState>();

function makeId(): string {
  return `light-runner-${randomBytes(6).toString('hex')}`;
}

/** The document of docs/request.schema.json. */
function documentOf(request: RunRequest, options: RunnerOptions): Record<string, unknown> {
  const { signal: _signal, onLog: _onLog, onProgress: _onProgress, ...fields } = request;
  const document: Record<string, unknown> = { ...fields, options };
  if (request.timeout !== undefined) document['timeout'] = request.timeout > 0 ? Math.ceil(request.timeout) : NO_TIMEOUT;
  if (Array.isArray(request.networks) && request.networks.length === 0) delete document['networks'];
  return document;
}

function stateOf(id: string, request: RunRequest): RunState {
  const { image, workdir = '/app', entrypoint = request.command, timeout, extract } = request;
  const startedAt = new Date().toISOString();
  return { id, container: id, volume: id, image, workdir, entrypoint, timeout, extract, startedAt, status: 'running' };
}

function progressHook(onProgress?: (progress: Progress) => void): ((event: RpcEvent) => void) | undefined {
  return onProgress && ((event) => event.event === 'progress' && onProgress(event as unknown as Progress));
}

export interface CallOptions {
  signal?: AbortSignal;
}

export class Runner {
  readonly options: Readonly<RunnerOptions>;

  /** Checks nothing: what is wrong is reported by the runs. */
  constructor(options: RunnerOptions = {}) {
    this.options = { ...options };
  }

  /** Starts a run and returns at once; a detached run's command runs when this returns. Throws if the image is missing, or for
   * a detached run with input. Everything else rejects `execution.result`. */
  run(request: RunRequest): Execution {
    if (!request?.image) throw new Error('run(): `image` is required');
    if (request.detached && request.input !== undefined) throw new Error('run(): a detached run takes no `input`');
    const document = documentOf(request, this.options);
    const { signal, onLog, onProgress } = request;
    if (request.detached) return this.#detach(document, { signal, onLog, onProgress });
    const id = makeId();
    const execution = new Execution(id, 'run', { run: id, request: document }, { signal, onLog, onProgress });
    attached.set(id, stateOf(id, request));
    const forget = (): void => void attached.delete(id);
    execution.result.then(forget, forget);
    return execution;
  }

  #detach(document: Record<string, unknown>, hooks: ExecutionHooks): Execution {
    try {
      const { id } = callSync(['run', '--detach', '--json', '--request', '-'], JSON.stringify(document)) as { id: string };
      return new Execution(id, 'attach', { run: id }, hooks);
    } catch (failure) {
      return new Execution(makeId(), 'run', {}, { failure });
    }
  }

  #cell(): { engine?: string; runtime?: string } {
    return { engine: this.options.engine, runtime: this.options.runtime };
  }

  /** Whether runs with this engine and tier are possible; rejects with the reason and a hint if not. */
  async available(options: CallOptions = {}): Promise<void> {
    await callWith('available', this.#cell(), options.signal);
  }

  async pullImage(
    name: string,
    options: CallOptions & { insecure?: boolean; onProgress?: (progress: Progress) => void } = {},
  ): Promise<Image> {
    const params = { ...this.#cell(), name, insecure: options.insecure };
    return (await callWith('image.pull', params, options.signal, progressHook(options.onProgress))) as Image;
  }

  /** `path`: an archive, or a folder that is an OCI image layout. */
  async importImage(
    path: string,
    name: string,
    options: CallOptions & { onProgress?: (progress: Progress) => void } = {},
  ): Promise<Image> {
    const params = { ...this.#cell(), path, name };
    return (await callWith('image.import', params, options.signal, progressHook(options.onProgress))) as Image;
  }

  async listImages(options: CallOptions = {}): Promise<Image[]> {
    return (await callWith('image.list', this.#cell(), options.signal)) as Image[];
  }

  async removeImage(name: string, options: CallOptions = {}): Promise<void> {
    await callWith('image.remove', { ...this.#cell(), name }, options.signal);
  }

  /** What `light-runner verify --json` prints. */
  async verify(options: CallOptions & { image?: string } = {}): Promise<Record<string, unknown>> {
    return (await callWith('verify', { ...this.#cell(), image: options.image }, options.signal)) as Record<string, unknown>;
  }

  /** What `light-runner doctor --json` prints. */
  static async doctor(options: CallOptions & { full?: boolean } = {}): Promise<Record<string, unknown>> {
    return (await callWith('doctor', { full: options.full }, options.signal)) as Record<string, unknown>;
  }

  /** Whether the engine can be used: Docker for `DockerRunner`. False after 2 seconds without an answer. */
  static async isAvailable(): Promise<boolean> {
    const late = AbortSignal.timeout(2000);
    return callWith('available', this.defaults(), late).then(
      () => true,
      () => false,
    );
  }

  /** @internal The engine of the static functions. */
  protected static defaults(): { engine: 'auto' | 'docker' } {
    return { engine: 'auto' };
  }

  /** A handle for a detached run, of this process or of another one; null: there is no such run. */
  static attach(id: string): Execution | null {
    return readState(id) ? new Execution(id, 'attach', { run: id }, {}) : null;
  }

  /** Detached runs, and the attached runs of this process. */
  static list(): RunState[] {
    return [...listStates(), ...attached.values()].sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  }

  /** Removes what is left of runs whose supervisor was killed. */
  static async reapOrphans(options: CallOptions = {}): Promise<{ containers: number; volumes: number }> {
    const removed = (await callWith('reap', this.defaults(), options.signal)) as { containers: number; volumes: number };
    const { containers, volumes } = removed;
    return { containers, volumes };
  }

  static async cleanupOrphanVolumes(options: CallOptions = {}): Promise<number> {
    return (await this.reapOrphans(options)).volumes;
  }

  /** Marks runs without a supervisor as failed. */
  static async cleanupOrphanStates(options: CallOptions = {}): Promise<number> {
    return ((await callWith('reap.states', {}, options.signal)) as { states: number }).states;
  }

  /** Removes ended states, oldest first, until they take `maxBytes` at most. */
  static cleanupOldStates(maxBytes?: number): number {
    return cleanupOldStates(maxBytes);
  }

  /** Removes the states of runs that ended `olderThanMs` ago. */
  static async cleanStates(olderThanMs = LAST_WEEK, options: CallOptions = {}): Promise<number> {
    return ((await callWith('clean.states', { age: olderThanMs }, options.signal)) as { states: number }).states;
  }

  /** Removes the images of setup steps that no run uses. */
  static async cleanupOrphanCache(options: CallOptions = {}): Promise<number> {
    return ((await callWith('clean.images', this.defaults(), options.signal)) as { images: number }).images;
  }

  /** The older name of what `cleanupOrphanCache()` does here: light-runner leaves no images without a name. */
  static async cleanupDanglingImages(options: CallOptions = {}): Promise<number> {
    return this.cleanupOrphanCache(options);
  }
}

/** Runs on Docker. */
export class DockerRunner extends Runner {
  constructor(options: RunnerOptions = {}) {
    super({ engine: 'docker', ...options });
  }

  protected static override defaults(): { engine: 'docker' } {
    return { engine: 'docker' };
  }
}
