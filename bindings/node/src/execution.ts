// SPDX-License-Identifier: MIT
import { LightRunnerError } from './errors.js';
import { Lines } from './lines.js';
import { rpc, type Rpc, type RpcEvent } from './rpc.js';
import type { Progress, RunResult, StopOptions } from './types.js';

/** What may be on its way from the server before somebody reads it (docs/rpc.md): bytes. */
const WINDOW = 1 << 20;

export interface ExecutionHooks {
  signal?: AbortSignal | undefined;
  onLog?: ((line: string) => void) | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Why the run could not be started. */
  failure?: unknown;
}

/** A run that has been started. */
export class Execution {
  readonly id: string;
  /** The result. It rejects if light-runner fails; a command that fails is a result. */
  readonly result: Promise<RunResult>;
  #rpc: Rpc | undefined;
  #call = 0;
  #cancelled = false;
  #ended = false;
  #partial = { stdout: '', stderr: '' };
  #lines: Lines;
  #unsent = 0;
  #running: Promise<void>;
  #isRunning: () => void = () => undefined;

  /** @internal Use `run()` or `attach()`. */
  constructor(id: string, method: 'run' | 'attach', params: object, hooks: ExecutionHooks) {
    this.id = id;
    this.#lines = new Lines((size) => this.#grant(size));
    this.#running = new Promise((resolve) => (this.#isRunning = resolve));
    if (method === 'attach') this.#isRunning();
    this.result = this.#start(method, params, hooks);
    // Whoever waits for the result sees the error; a run that nobody waits for must not end the process.
    this.result.catch(() => undefined);
  }

  async #start(method: 'run' | 'attach', params: object, hooks: ExecutionHooks): Promise<RunResult> {
    if (hooks.failure !== undefined) {
      this.#ended = true;
      this.#lines.end();
      throw hooks.failure;
    }
    const abort = (): void => this.cancel();
    try {
      this.#rpc = rpc();
      const { id, result } = this.#rpc.start(method, { ...params, window: WINDOW }, (event) => this.#take(event, hooks));
      this.#call = id;
      if (hooks.signal?.aborted) this.cancel();
      else hooks.signal?.addEventListener('abort', abort, { once: true });
      const document = (await result) as RunResult | null;
      if (document) return document;
      return { success: false, exitCode: -1, duration: 0, cancelled: false };
    } catch (error) {
      // A run whose supervisor is gone has a result for those who attach to it.
      if (method === 'attach' && error instanceof LightRunnerError && error.code === 'SUPERVISOR_LOST' && error.containerId)
        return { success: false, exitCode: -1, duration: 0, cancelled: false };
      throw error;
    } finally {
      hooks.signal?.removeEventListener('abort', abort);
      this.#ended = true;
      this.#isRunning();
      this.#lines.end();
    }
  }

  #take(event: RpcEvent, hooks: ExecutionHooks): void {
    if (event.event === 'state' && event['state'] === 'running') this.#isRunning();
    if (event.event === 'progress')
      hooks.onProgress?.({ what: String(event['what']), done: Number(event['done']), total: Number(event['total']) });
    if (event.event !== 'log') return;
    const stream = event['stream'] === 'stderr' ? 'stderr' : 'stdout';
    const text = this.#partial[stream] + String(event['line']);
    this.#partial[stream] = event['partial'] ? text : '';
    if (event['partial']) {
      this.#grant(Number(event['size']));
      return;
    }
    this.#lines.push(text, Number(event['size']));
    if (text !== '') hooks.onLog?.(text);
  }

  #grant(size: number): void {
    this.#unsent += size;
    if (this.#unsent < WINDOW / 4 || this.#ended) return;
    this.#rpc?.call('credit', { call: this.#call, bytes: this.#unsent }).catch(() => undefined);
    this.#unsent = 0;
  }

  /** The output, line by line, stdout and stderr in order of arrival. A reader that is slow slows the output down, and no
   * other run. What was printed before the first read is there, up to 512 KiB. */
  get logs(): AsyncGenerator<string, void, undefined> {
    return this.#lines.read();
  }

  /** Whether it was cancelled or stopped from here. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Kills the run; the result says `cancelled`. May be called more than once. */
  cancel(): void {
    if (this.#ended) return;
    this.#cancelled = true;
    this.#rpc?.call('cancel', { call: this.#call }).catch(() => undefined); // it has ended
  }

  /** Sends a signal, and SIGKILL after the grace. Resolves when the run has ended. */
  async stop(options: StopOptions = {}): Promise<void> {
    if (this.#ended) return;
    this.#cancelled = true;
    const { signal = 'SIGTERM', grace = 10000 } = options;
    await this.#order('stop', { signal, grace });
    await this.result.catch(() => undefined);
  }

  /** Freezes the run, once its command runs. Rejects if the run has ended. */
  async pause(): Promise<void> {
    await this.#running;
    await this.#order('pause', {});
  }

  async resume(): Promise<void> {
    await this.#running;
    await this.#order('resume', {});
  }

  async #order(method: string, params: object): Promise<void> {
    if (this.#ended || !this.#rpc)
      throw new LightRunnerError({ code: 'INVALID_ARGUMENT', message: 'the run has ended', container: this.id });
    await this.#rpc.call(method, { call: this.#call, ...params });
  }

  /** `await using execution = runner.run(...)`: the run ends with the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
    await this.result.catch(() => undefined);
  }
}
