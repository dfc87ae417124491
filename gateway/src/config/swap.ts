/**
 * The configuration in force, and its replacement while requests run.
 *
 * Invariants
 *  (1) A candidate is loaded and compiled in full before it is looked at; what is not valid changes nothing.
 *  (2) The swap is one assignment. A request keeps the snapshot that it took at its start.
 *  (3) Reloads never overlap: one asked for during another (by a listener) runs after it.
 *  (4) What is bound at the start of the process (listen, stores) keeps its first value until a restart.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import type { Loaded } from './load.ts';
import { problemLine } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

export interface ConfigStatus {
  /** The version in force. */
  readonly version: string;
  /** When it was loaded, in milliseconds since the epoch. */
  readonly loadedAt: number;
  /** Why the newest candidate was refused; null when it is the one in force. */
  readonly lastError: { readonly at: number; readonly problems: readonly string[] } | null;
  /** Reloads that put a configuration in force. */
  readonly reloads: number;
  /** Reloads that were refused. */
  readonly refused: number;
}

/** Told after a reload was tried: with the status, and with the configuration in force. Must not throw. */
export type ReloadListener = (status: ConfigStatus, current: Snapshot) => void;

export class ConfigHolder {
  #current: Snapshot;
  #status: ConfigStatus;
  #listeners = new Set<ReloadListener>();
  #reloading = false;
  #again = false;
  readonly #load: () => Loaded;
  readonly #clock: Clock;

  /** `load` reads a candidate from where the first snapshot came from. */
  constructor(first: Snapshot, load: () => Loaded, clock: Clock) {
    this.#current = first;
    this.#load = load;
    this.#clock = clock;
    this.#status = { version: first.version, loadedAt: clock.now(), lastError: null, reloads: 0, refused: 0 };
  }

  get current(): Snapshot {
    return this.#current;
  }

  get status(): ConfigStatus {
    return this.#status;
  }

  /** Calls `listener` after every reload, whether it was put in force or refused; the answer ends that. */
  onReload(listener: ReloadListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the configuration anew and puts it in force when it is valid. */
  reload(): void {
    this.#again = true;
    if (this.#reloading) return;
    this.#reloading = true;
    try {
      while (this.#again) {
        this.#again = false;
        this.#try();
        for (const listener of this.#listeners) listener(this.#status, this.#current);
      }
    } finally {
      this.#reloading = false;
    }
  }

  #try(): void {
    const loaded = this.#load();
    const at = this.#clock.now();
    if ('problems' in loaded) {
      const lastError = { at, problems: loaded.problems.map(problemLine) };
      this.#status = { ...this.#status, lastError, refused: this.#status.refused + 1 };
      return;
    }
    this.#current = keepBound(this.#current, loaded.snapshot);
    const { reloads, refused } = this.#status;
    this.#status = { version: this.#current.version, loadedAt: at, lastError: null, reloads: reloads + 1, refused };
  }
}

/** `next` with the sections that are bound at the start taken from `before`, and a warning for each that differs. */
function keepBound(before: Snapshot, next: Snapshot): Snapshot {
  const warnings = (['listen', 'stores'] as const)
    .filter((section) => !isDeepStrictEqual(before[section], next[section]))
    .map((section) => `${section}: changed; restart the gateway to apply it`);
  return { ...next, listen: before.listen, stores: before.stores, warnings: [...next.warnings, ...warnings] };
}
