/**
 * Hands finished segments to the ledger's thread, one at a time and in order, until each is in the database.
 *
 * Invariants
 *  (1) A segment leaves the queue only when the thread has committed it.
 *  (2) A failure is retried with exponential back-off for as long as it takes; the log hears of its beginning and end.
 */
import type { Clock, Timer } from '../../clock.ts';
import type { Segment } from './journal.ts';
import type { Log } from './log.ts';
import type { Ingested } from './segment.ts';
import type { LedgerThread } from './thread.ts';

/** Milliseconds until the first retry; doubles with each failure. */
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MOST_MS = 30_000;

export interface IngesterOptions {
  readonly thread: LedgerThread;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when a segment is in the database. */
  readonly ingested: (segment: Segment) => void;
}

export class Ingester {
  #options: IngesterOptions;
  #queue: Segment[] = [];
  #running: Promise<void> | null = null;
  #failures = 0;
  #retry: Timer | null = null;
  #closed = false;

  constructor(options: IngesterOptions) {
    this.#options = options;
  }

  /** Segments that are not in the database. */
  get backlog(): number {
    return this.#queue.length;
  }

  add(segment: Segment): void {
    this.#queue.push(segment);
    if (this.#retry === null) this.#run();
  }

  /** Waits until the queue is empty or the database fails; at most for the attempt under way when it fails. */
  async caughtUp(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Tries what is left once more, now, and gives up: segments that fail stay on disk for the next start. */
  async close(): Promise<void> {
    await this.caughtUp();
    this.#run();
    await this.caughtUp();
    this.#closed = true;
    this.#options.clock.clear(this.#retry);
    if (this.#queue.length === 0) return;
    const records = this.#queue.reduce((sum, segment) => sum + segment.records, 0);
    this.#options.log('warn', 'records stay in the journal of the ledger until the next start', { records });
  }

  #run(): void {
    this.#options.clock.clear(this.#retry);
    this.#retry = null;
    if (this.#queue.length > 0 && !this.#closed) this.#running ??= this.#drain();
  }

  async #drain(): Promise<void> {
    try {
      for (let segment = this.#queue[0]; segment !== undefined; segment = this.#queue[0]) await this.#ingest(segment);
    } catch (error) {
      this.#failed(error);
    } finally {
      // In here and not in the promise: a segment added in between would find a run that is over.
      this.#running = null;
    }
  }

  async #ingest(segment: Segment): Promise<void> {
    const { thread, log, ingested } = this.#options;
    report(segment, await thread.ask({ kind: 'ingest', path: segment.path }), log);
    if (this.#failures > 0) log('info', 'the ledger writes to its database again', {});
    this.#failures = 0;
    this.#queue.shift();
    ingested(segment);
  }

  #failed(error: unknown): void {
    if (this.#failures === 0) {
      this.#options.log('error', 'the ledger cannot write to its database; records wait in the journal', {
        error: error instanceof Error ? error.message : String(error),
      });
    }
    const delay = Math.min(BACKOFF_FIRST_MS * 2 ** this.#failures, BACKOFF_MOST_MS);
    this.#failures += 1;
    this.#retry = this.#options.clock.after(delay, () => this.#run());
  }
}

/** Warns of what is in a segment and could not become rows. */
export function report(segment: { readonly path: string }, ingested: Ingested, log: Log): void {
  if (ingested.torn) log('warn', 'a record was cut off by a crash and is skipped', { segment: segment.path });
  if (ingested.unfit > 0) {
    log('error', 'records do not fit the ledger; they are kept in unfit.jsonl', {
      segment: segment.path,
      records: ingested.unfit,
    });
  }
}
