// SPDX-License-Identifier: MIT

/** How strongly a run is isolated: namespaces, gVisor, or a VM. */
export type Runtime = 'runc' | 'runsc' | 'kata';
export type Engine = 'auto' | 'local' | 'docker';

/** How runs are isolated and limited: the `options` of docs/request.schema.json. */
export interface RunnerOptions {
  /** Default: 'auto' for `Runner`, 'docker' for `DockerRunner`. */
  engine?: Engine;
  /** Default: 'runc'. */
  runtime?: Runtime;
  /** `<digits>[k|m|g]`; default: '512m'. */
  memory?: string;
  /** Cores; default: '1'. */
  cpus?: string | number;
  gpus?: 'all' | number | string;
  /** Default: true. */
  noNewPrivileges?: boolean;
  /** What a run may write, `<digits>[k|m|g]`. */
  disk?: string;
  /** Processes and threads; default: 100. */
  pids?: number;
  maxExtractBytes?: number;
  maxLogBytes?: number;
  allowUnenforced?: ('memory' | 'cpus' | 'pids')[];
  allowEgress?: ('host' | 'metadata')[];
  setupRuntime?: Runtime;
  setupNetwork?: 'none';
  accelerator?: 'any' | 'kvm';
}

export interface ExtractSpec {
  /** Absolute, or relative to the working directory. */
  from: string;
  /** A folder on the host. */
  to: string;
}

export interface ExtractResult extends ExtractSpec {
  status: 'ok' | 'missing' | 'error';
  error?: string;
  bytes?: number;
}

/** One run: docs/request.schema.json. */
export interface RunRequest {
  image: string;
  /** A shell command. */
  entrypoint?: string;
  /** The older name of `entrypoint`. */
  command?: string;
  /** The command as words, without a shell. */
  argv?: string[];
  /** Setup steps. */
  run?: string[];
  /** A folder on the host whose contents are copied in. */
  dir?: string;
  ignore?: string[];
  links?: 'skip' | 'inside';
  /** For stdin, as JSON. */
  input?: unknown;
  /** Milliseconds; default: 20 minutes; 0 or less: none. */
  timeout?: number;
  /** CPU time in milliseconds. */
  cpuTimeout?: number;
  /** ['none']: no network; [] or absent: the default network. */
  networks?: string[];
  /** The older form of `networks`. */
  network?: string;
  dns?: string[];
  env?: Record<string, string> | string[];
  workdir?: string;
  extract?: ExtractSpec[];
  extractWhen?: 'success' | 'always';
  /** The run outlives this process. */
  detached?: boolean;
  /** Cancels the run. */
  signal?: AbortSignal;
  /** Called for each line of output that is not empty, in order of arrival. */
  onLog?: (line: string) => void;
  /** Called while the image is pulled or set up. */
  onProgress?: (progress: Progress) => void;
}

export interface Progress {
  what: string;
  /** Bytes; 0 if unknown. */
  done: number;
  total: number;
}

/** docs/result.schema.json has the details. A lost run has only the first five. */
export interface RunResult {
  success: boolean;
  exitCode: number;
  /** Milliseconds. */
  duration: number;
  cancelled: boolean;
  extracted?: ExtractResult[];
  id?: string;
  signal?: string;
  timedOut?: boolean;
  cpuTimedOut?: boolean;
  oomKilled?: boolean;
  logTruncated?: boolean;
  timeout?: number;
  usage?: { cpuMs: number; userMs: number; systemMs: number; peakMemoryBytes: number; processes: number };
  isolation?: {
    runtime?: string;
    kernel?: string;
    hostKernel?: string;
    verified: boolean;
    checked?: string[];
    unenforced?: string[];
    [field: string]: unknown;
  };
  timings?: { prepareMs: number; startMs: number; runMs: number; collectMs: number; warm: boolean };
  leftBehind?: string[];
}

export interface RunState {
  id: string;
  container: string;
  volume: string;
  image: string;
  workdir: string;
  entrypoint?: string;
  timeout?: number;
  extract?: ExtractSpec[];
  startedAt: string;
  finishedAt?: string;
  status: 'running' | 'exited' | 'cancelled' | 'failed';
  exitCode?: number;
  durationMs?: number;
  cancelled?: boolean;
}

export interface StopOptions {
  /** Default: 'SIGTERM'. */
  signal?: string;
  /** Milliseconds until SIGKILL; default: 10000. */
  grace?: number;
}

export interface CreateNetworkOptions {
  driver?: string;
  iccEnabled?: boolean;
  exclusive?: boolean;
  labels?: Record<string, string>;
  ipam?: { subnet?: string; gateway?: string; ipRange?: string };
}

export interface CleanupNetworkOptions {
  prefix?: string;
  maxAgeMs?: number;
}

export interface Image {
  name: string;
  digest: string;
  size: number;
  created: string;
  engine: string;
  [field: string]: unknown;
}
