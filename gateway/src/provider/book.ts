/**
 * The provider's own book: what it served, for comparison with the gateway's ledger.
 *
 * Invariants
 *  (1) Every request is in the totals from when it has arrived in full, and in exactly one of open, finished, broken and aborted.
 *  (2) Each total is the sum over all requests since the last reset; only the list of entries is limited in length.
 *  (3) A request that was open when the book was reset counts nowhere any more.
 */
import type { Clock } from '../clock.ts';
import type { PlannedUsage } from './plan.ts';

/**
 * `finished`: the HTTP message was completed; `broken`: the provider itself broke the connection; `aborted`: the other side
 * closed it first.
 */
export type EntryState = 'open' | 'finished' | 'broken' | 'aborted';

export interface Entry {
  /** 1 for the first request of this provider; also in the answer's `x-request-id`: `sim-1`. */
  readonly number: number;
  readonly path: string;
  /** As the request named it; null when it named none. */
  readonly model: string | null;
  /** Null when no HTTP status was sent. */
  readonly status: number | null;
  /** The kinds of the faults that befell it. */
  readonly faults: readonly string[];
  readonly promptTokens: number;
  /** Made, so a provider would bill them: the last ones may not have left. */
  readonly generatedTokens: number;
  /** Handed to the operating system in full. */
  readonly writtenTokens: number;
  /** Whether the answer's report of the usage was handed to the operating system in full. */
  readonly usageReported: boolean;
  readonly state: EntryState;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Monotonic milliseconds at which it finished, was broken, or was seen to be aborted; null while open. */
  readonly endedAt: number | null;
}

export interface Totals {
  readonly requests: number;
  readonly open: number;
  readonly finished: number;
  readonly broken: number;
  readonly aborted: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly writtenTokens: number;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** How playback writes one entry. */
export interface EntryWriter {
  readonly entry: Entry;
  begun(status: number | null, usage: PlannedUsage): void;
  generated(tokens: number): void;
  wrote(tokens: number, usageReported: boolean): void;
  /** The first ending counts; later ones are ignored. */
  ended(state: Exclude<EntryState, 'open'>): void;
}

export interface Book {
  /** The newest entries, oldest first. */
  readonly entries: readonly Entry[];
  readonly totals: Totals;
  /** The number that the next entry gets. */
  readonly nextNumber: number;
  reset(): void;
  open(request: { path: string; model: string | null; faults: readonly string[] }): EntryWriter;
}

/** `entriesMax`: how many entries are kept at least, from 1; the oldest go first. */
export function openBook(clock: Clock, entriesMax: number): Book {
  let totals = noTotals();
  let entries: Entry[] = [];
  let number = 0;
  return {
    get entries() {
      return entries;
    },
    get totals() {
      return totals;
    },
    get nextNumber() {
      return number + 1;
    },
    reset() {
      totals = noTotals();
      entries = [];
    },
    open({ path, model, faults }) {
      number++;
      const entry = newEntry(number, path, model, faults, clock.monotonic());
      entries.push(entry);
      // Drop in blocks: shifting a long list for every request would cost more than the answer.
      if (entries.length >= 2 * entriesMax) entries = entries.slice(-entriesMax);
      return entryWriter(entry, totals, clock);
    },
  };
}

function entryWriter(entry: Writable<Entry>, totals: Writable<Totals>, clock: Clock): EntryWriter {
  totals.requests++;
  totals.open++;
  return {
    entry,
    begun(status, { promptTokens }) {
      entry.status = status;
      entry.promptTokens = promptTokens;
      totals.promptTokens += promptTokens;
    },
    generated(tokens) {
      entry.generatedTokens += tokens;
      totals.generatedTokens += tokens;
    },
    wrote(tokens, usageReported) {
      entry.writtenTokens += tokens;
      totals.writtenTokens += tokens;
      entry.usageReported ||= usageReported;
    },
    ended(state) {
      if (entry.state !== 'open') return;
      entry.state = state;
      entry.endedAt = clock.monotonic();
      totals.open--;
      totals[state]++;
    },
  };
}

function newEntry(
  number: number,
  path: string,
  model: string | null,
  faults: readonly string[],
  startedAt: number,
): Writable<Entry> {
  return {
    number,
    path,
    model,
    status: null,
    faults,
    promptTokens: 0,
    generatedTokens: 0,
    writtenTokens: 0,
    usageReported: false,
    state: 'open',
    startedAt,
    endedAt: null,
  };
}

const noTotals = (): Writable<Totals> => ({
  requests: 0,
  open: 0,
  finished: 0,
  broken: 0,
  aborted: 0,
  promptTokens: 0,
  generatedTokens: 0,
  writtenTokens: 0,
});
