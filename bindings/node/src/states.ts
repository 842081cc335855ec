// SPDX-License-Identifier: MIT
import { readdirSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { callSync } from './executable.js';
import type { RunState } from './types.js';

const ID = /^light-runner-[0-9a-f]{12}$/;

function folder(): string {
  const given = process.env['LIGHT_RUNNER_STATE_DIR'];
  return given ? given : join(process.env['HOME'] || homedir(), '.light-runner', 'state');
}

/** The states of detached runs, oldest first. */
export function listStates(): RunState[] {
  const states = callSync(['ls', '--json']) as (RunState & { command?: string })[];
  // The file has the field's older name.
  return states.map(({ command, ...state }) => (command === undefined ? state : { ...state, entrypoint: command }));
}

export function readState(id: string): RunState | null {
  return listStates().find((state) => state.id === id) ?? null;
}

/** Forgets a run: removes its state and its kept output. A run that is still going is left alone. */
export function deleteState(id: string): void {
  const state = ID.test(id) ? readState(id) : null;
  if (!state || state.status === 'running') return;
  for (const end of ['.json', '.log']) rmSync(join(folder(), id + end), { force: true });
}

/** Removes the states of ended runs, oldest first, until they and their output take `maxBytes` at most. */
export function cleanupOldStates(maxBytes = Number(process.env['LIGHT_RUNNER_STATE_MAX_BYTES'] || 50 << 20)): number {
  let names: string[];
  try {
    names = readdirSync(folder());
  } catch {
    return 0;
  }
  const size = (id: string): number =>
    names
      .filter((name) => name === `${id}.json` || name === `${id}.log`)
      .reduce((sum, name) => sum + (statSync(join(folder(), name), { throwIfNoEntry: false })?.size ?? 0), 0);
  const states = listStates();
  let total = states.reduce((sum, state) => sum + size(state.id), 0);
  let removed = 0;
  for (const state of states) {
    if (total <= maxBytes) break;
    if (state.status === 'running') continue;
    total -= size(state.id);
    deleteState(state.id);
    removed++;
  }
  return removed;
}
