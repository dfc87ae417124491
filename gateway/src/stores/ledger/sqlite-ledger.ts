/**
 * The ledger in one SQLite file: records go to a journal beside it at once, and from there into its tables on a thread of
 * their own. See journal.ts for what survives what.
 *
 * Invariants
 *  (1) The event loop never waits for the database.
 *  (2) While the database takes nothing, records wait in the journal, bounded by `journalBytesMax`.
 *  (3) One process at a time has the ledger.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join, parse } from 'node:path';
import type { RequestRecord } from '../../call.ts';
import type { Clock, Timer } from '../../clock.ts';
import type { Amounts } from '../../policy/limit.ts';
import type { Ledger, UseFilter } from '../ledger-store.ts';
import { Ingester, report } from './ingester.ts';
import { Journal, type Segment, segmentNumber } from './journal.ts';
import { type Lock, takeLock } from './lock.ts';
import type { Log } from './log.ts';
import { LedgerThread } from './thread.ts';

/** How long records stay in the journal while the database keeps up, in milliseconds, and the size that ends a segment early. */
export const INGEST_EVERY_MS = 1000;
const SEGMENT_BYTES_MAX = 4 * 1024 * 1024;
const JOURNAL_BYTES_MAX = 1024 ** 3;

export interface SqliteLedgerOptions {
  /** The database file; its directory is created. The journal goes beside it, in a directory of the same name. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The most bytes that may wait for the database; beyond it calls are still served and their records dropped and counted. */
  readonly journalBytesMax?: number;
}

/**
 * Opens the ledger, having stored what an earlier process left in the journal.
 * Throws when the path cannot be used, another gateway has it, or the database cannot be opened or written.
 */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<SqliteLedger> {
  const { path, log } = options;
  if (path === ':memory:' || path === '') {
    throw new Error(
      'the ledger needs a file: records in memory would not survive a crash. Set stores.ledger to sqlite:<path>',
    );
  }
  const { dir, name } = parse(path);
  const journal = join(dir, `${name}.journal`);
  let lock: Lock | null = null;
  const thread = new LedgerThread(path);
  try {
    mkdirSync(journal, { recursive: true });
    lock = takeLock(join(journal, 'lock'));
    await thread.ask({ kind: 'open' });
    const firstSegment = await replay(journal, thread, log);
    return new SqliteLedger(options, { journal, firstSegment, thread, lock });
  } catch (error) {
    lock?.release();
    await thread.close().catch(() => undefined);
    throw new Error(`cannot open the ledger ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** Stores the segments that an earlier process left; answers the number of the next one. */
async function replay(directory: string, thread: LedgerThread, log: Log): Promise<number> {
  const numbered = readdirSync(directory).flatMap((name) => {
    const number = segmentNumber(name);
    return number === null ? [] : [{ number, path: join(directory, name) }];
  });
  numbered.sort((a, b) => a.number - b.number);
  if (numbered.length > 0) log('info', 'storing what the journal of the ledger holds', { segments: numbered.length });
  for (const segment of numbered) report(segment, await thread.ask({ kind: 'ingest', path: segment.path }), log);
  return (numbered.at(-1)?.number ?? 0) + 1;
}

interface Parts {
  readonly journal: string;
  readonly firstSegment: number;
  readonly thread: LedgerThread;
  readonly lock: Lock;
}

/** Made by {@link openSqliteLedger}. */
export class SqliteLedger implements Ledger {
  #clock: Clock;
  #log: Log;
  #journal: Journal;
  #ingester: Ingester;
  #thread: LedgerThread;
  #lock: Lock;
  #appended = 0;
  #stored = 0;
  #timer: Timer | null = null;
  #flushes: { readonly upTo: number; readonly resolve: () => void }[] = [];

  constructor(options: SqliteLedgerOptions, parts: Parts) {
    const { clock, log } = options;
    this.#clock = clock;
    this.#log = log;
    this.#thread = parts.thread;
    this.#lock = parts.lock;
    this.#ingester = new Ingester({ thread: parts.thread, clock, log, ingested: (segment) => this.#ingested(segment) });
    this.#journal = new Journal({
      directory: parts.journal,
      bytesMax: options.journalBytesMax ?? JOURNAL_BYTES_MAX,
      firstSegment: parts.firstSegment,
      clock,
      log,
      written: () => this.#written(),
    });
  }

  /** Records that had to be dropped since the start, because nothing could take them. 0 in a healthy gateway. */
  get dropped(): number {
    return this.#journal.dropped;
  }

  append(line: string): void {
    this.#appended += 1;
    this.#journal.append(line);
  }

  /** Includes everything appended before, unless the database fails to take it. Rejects when it cannot be read. */
  async usedSince(filter: UseFilter, sinceMs: number, untilMs: number): Promise<Amounts> {
    await this.#caughtUp();
    return this.#thread.ask({ kind: 'usedSince', filter, sinceMs, untilMs });
  }

  /** Includes everything appended before, as {@link usedSince} does. */
  async endUsersSince(organization: string, sinceMs: number): Promise<readonly string[]> {
    await this.#caughtUp();
    return this.#thread.ask({ kind: 'endUsersSince', organization, sinceMs });
  }

  pending(): number {
    return this.#appended - this.#journal.dropped - this.#stored;
  }

  flush(): Promise<void> {
    this.#finishSegment();
    const upTo = this.#appended - this.#journal.dropped;
    if (this.#stored >= upTo) return Promise.resolve();
    return new Promise((resolve) => this.#flushes.push({ upTo, resolve }));
  }

  /** Includes everything appended before, as {@link usedSince} does. */
  async recent(most: number): Promise<readonly RequestRecord[]> {
    await this.#caughtUp();
    return this.#thread.ask({ kind: 'recent', most });
  }

  /** Finds everything appended before, as {@link usedSince} does. */
  async find(id: string): Promise<RequestRecord | null> {
    await this.#caughtUp();
    return this.#thread.ask({ kind: 'find', id });
  }

  /** Stores what it can, leaves the rest in the journal for the next start, and lets go of the files. */
  async close(): Promise<void> {
    const segment = this.#journal.close();
    this.#clock.clear(this.#timer);
    if (segment !== null) this.#ingester.add(segment);
    await this.#ingester.close();
    try {
      await this.#thread.close();
    } catch (error) {
      this.#log('warn', 'the database of the ledger was not closed cleanly', { error: String(error) });
    }
    this.#lock.release();
  }

  async #caughtUp(): Promise<void> {
    this.#finishSegment();
    await this.#ingester.caughtUp();
  }

  #written(): void {
    if (this.#journal.currentBytes >= SEGMENT_BYTES_MAX) this.#finishSegment();
    else this.#timer ??= this.#clock.after(INGEST_EVERY_MS, () => this.#due());
  }

  /** While the database is behind, the segment grows instead: larger transactions catch up faster. */
  #due(): void {
    this.#timer = null;
    if (this.#ingester.backlog === 0) this.#finishSegment();
  }

  #finishSegment(): void {
    const segment = this.#journal.finish();
    if (segment !== null) this.#ingester.add(segment);
  }

  #ingested(segment: Segment): void {
    this.#stored += segment.records;
    this.#journal.release(segment);
    while (this.#flushes[0] !== undefined && this.#flushes[0].upTo <= this.#stored) this.#flushes.shift()!.resolve();
    if (this.#timer === null && this.#journal.currentBytes > 0) this.#written();
  }
}
