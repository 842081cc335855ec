// SPDX-License-Identifier: MIT
// One `light-runner rpc` for this process. It is started by the first call, and does not keep the
// process alive while no call is in progress.
import { spawn, type ChildProcess } from 'node:child_process';
import { LightRunnerError, type ErrorDocument } from './errors.js';
import { checkVersion, DOCTOR, findExecutable } from './executable.js';

/** The protocol that this client speaks (docs/rpc.md). */
const PROTOCOL = 1;

export interface RpcEvent {
  event: string;
  id: number;
  [field: string]: unknown;
}

interface Message {
  id?: number | null;
  event?: string;
  result?: unknown;
  error?: ErrorDocument;
  [field: string]: unknown;
}

interface Call {
  resolve(result: unknown): void;
  reject(error: Error): void;
  onEvent: ((event: RpcEvent) => void) | undefined;
}

interface Refable {
  ref?(): void;
  unref?(): void;
}

export class Rpc {
  #child: ChildProcess;
  #calls = new Map<number, Call>();
  #lastId = 0;
  #pieces: Buffer[] = [];
  #ended: Error | undefined;
  #executable: string;
  #greeted = false;

  constructor(executable: string) {
    this.#executable = executable;
    this.#child = spawn(executable, ['rpc'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.on('error', (cause) => this.#end(`'${executable}' cannot be started`, cause));
    this.#child.on('exit', (code, signal) => this.#end(`light-runner rpc has ended (${signal ?? code})`));
    this.#child.stdin?.on('error', () => undefined); // the end is reported by 'exit'
    this.#child.stdout?.on('data', (piece: Buffer) => this.#read(piece));
    this.#keepAlive(false);
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** The id is known at once; the promise is the response. */
  start(method: string, params: object, onEvent?: (event: RpcEvent) => void): { id: number; result: Promise<unknown> } {
    const id = ++this.#lastId;
    const result = new Promise<unknown>((resolve, reject) => {
      if (this.#ended) {
        reject(this.#ended);
        return;
      }
      this.#calls.set(id, { resolve, reject, onEvent });
      this.#keepAlive(true);
      this.#child.stdin?.write(JSON.stringify({ id, method, params }) + '\n');
    });
    return { id, result };
  }

  call(method: string, params: object = {}): Promise<unknown> {
    return this.start(method, params).result;
  }

  #keepAlive(on: boolean): void {
    const parts: (Refable | null)[] = [this.#child, this.#child.stdin as Refable | null, this.#child.stdout as Refable | null];
    for (const part of parts) (on ? part?.ref : part?.unref)?.call(part);
  }

  #end(message: string, cause?: unknown): void {
    if (this.#ended) return;
    const error: ErrorDocument = this.#greeted
      ? { code: 'SUPERVISOR_LOST', message, operation: 'rpc' }
      : { code: 'IO_FAILED', message: `'${this.#executable}' does not work: ${message}`, operation: 'rpc', hint: DOCTOR };
    this.#fail(new LightRunnerError(error, cause));
  }

  #fail(error: Error): void {
    this.#ended = error;
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
    this.#keepAlive(false);
  }

  #read(piece: Buffer): void {
    let from = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, from)) {
      this.#pieces.push(piece.subarray(from, end));
      const line = Buffer.concat(this.#pieces).toString();
      this.#pieces = [];
      from = end + 1;
      this.#takeLine(line);
    }
    if (from < piece.length) this.#pieces.push(piece.subarray(from));
  }

  /** What is not light-runner may print anything. */
  #takeLine(line: string): void {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch (cause) {
      this.#end(`it printed no JSON: ${line.slice(0, 200)}`, cause);
      this.#child.kill();
      return;
    }
    this.#take(message);
  }

  #take(message: Message): void {
    if (message.event === 'hello') {
      this.#hello(message);
      return;
    }
    const call = typeof message.id === 'number' ? this.#calls.get(message.id) : undefined;
    if (!call) return;
    if (message.event !== undefined) {
      try {
        call.onEvent?.(message as RpcEvent);
      } catch (error) {
        // It belongs to the program's callback; the lines that follow belong to other runs, too.
        process.nextTick(() => {
          throw error;
        });
      }
      return;
    }
    this.#calls.delete(message.id as number);
    if (this.#calls.size === 0) this.#keepAlive(false);
    if (message.error) call.reject(new LightRunnerError(message.error));
    else call.resolve(message.result);
  }

  #hello(message: Message): void {
    try {
      this.#greeted = true;
      checkVersion(String(message['version']), this.#executable);
      if (message['protocol'] !== PROTOCOL) checkVersion(`protocol ${String(message['protocol'])}`, this.#executable);
    } catch (error) {
      this.#fail(error as Error);
      this.#child.kill();
    }
  }
}

let shared: Rpc | undefined;

/** Throws a LightRunnerError if there is no executable. */
export function rpc(): Rpc {
  if (!shared || shared.ended) shared = new Rpc(findExecutable());
  return shared;
}

/** A call that a signal cancels. `cancellable`: the server can end it. */
export async function callWith(
  method: string,
  params: object,
  signal?: AbortSignal,
  onEvent?: (event: RpcEvent) => void,
): Promise<unknown> {
  signal?.throwIfAborted();
  const server = rpc();
  const { id, result } = server.start(method, params, onEvent);
  if (!signal) return result;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      server.call('cancel', { call: id }).catch(() => undefined); // it has ended, or cannot be cancelled
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
