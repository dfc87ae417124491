/**
 * Where a record goes first: appended to a file, many records in one write. A finished file (a *segment*) is handed on
 * and becomes rows of the database; the journal is never read on the path of a request.
 *
 * Invariants
 *  (1) A record is in the operating system's page cache within FLUSH_WITHIN_MS of `append`, as long as the event loop
 *      runs. There it survives a `kill -9` of this process. Surviving a power loss would take an fsync for each batch.
 *  (2) `append` never throws and never waits. What the disk does not take stays in memory and is tried again.
 *  (3) Nothing is lost silently: beyond `bytesMax`, or MEMORY_BYTES_MAX while the disk takes nothing, records are counted
 *      in `dropped` and reported. Their lines are still in the request log.
 *  (4) A line is whole in one segment, or it is the torn last line of a segment that a crash cut off.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '../../clock.ts';
import { FLUSH_WITHIN_MS } from '../ledger-store.ts';
import type { Log } from './log.ts';

/** A finished file of the journal. */
export interface Segment {
  readonly path: string;
  readonly records: number;
  readonly bytes: number;
}

/** When a batch is written, in milliseconds after its first record. The rest of the promise is for the timer's grain. */
const WRITE_AFTER_MS = FLUSH_WITHIN_MS - 1;
/** How long until the disk is tried again after it failed, in milliseconds. */
const RETRY_MS = 1000;
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;

const SEGMENT_NAME = /^(\d{8,})\.jsonl$/;

function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.jsonl`;
}

/** The number of the segment in a file of that name; null when it is none. */
export function segmentNumber(name: string): number | null {
  const match = SEGMENT_NAME.exec(name);
  return match === null ? null : Number(match[1]);
}

export interface JournalOptions {
  readonly directory: string;
  /** The most bytes that may wait for the database. */
  readonly bytesMax: number;
  /** The number of the first segment. */
  readonly firstSegment: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after each batch that was written. */
  readonly written: () => void;
}

export class Journal {
  #options: JournalOptions;
  #nextSegment: number;
  #current: { readonly fd: number; readonly path: string; records: number; bytes: number } | null = null;
  #batch = '';
  #batchRecords = 0;
  /** A batch that the disk has taken in part, or not at all. */
  #unwritten: { bytes: Buffer; readonly records: number } | null = null;
  /** Bytes in files that are not released. */
  #onDisk = 0;
  #dropped = 0;
  #timer: Timer | null = null;
  #failing = false;
  #full = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#nextSegment = options.firstSegment;
  }

  /** Bytes in the segment being written. */
  get currentBytes(): number {
    return this.#current?.bytes ?? 0;
  }

  /** Records that had to be dropped since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  append(line: string): void {
    const waiting = this.#batch.length + (this.#unwritten?.bytes.length ?? 0) + line.length;
    if (waiting > MEMORY_BYTES_MAX || waiting + this.#onDisk > this.#options.bytesMax) {
      this.#drop();
      return;
    }
    this.#batch += `${line}\n`;
    this.#batchRecords += 1;
    this.#timer ??= this.#options.clock.after(WRITE_AFTER_MS, () => this.write());
  }

  /** Writes what is in memory. False when the disk did not take all of it; that is tried again by itself. */
  write(): boolean {
    this.#options.clock.clear(this.#timer);
    this.#timer = null;
    try {
      while (this.#unwritten !== null || this.#batchRecords > 0) this.#writeBatch();
    } catch (error) {
      if (!this.#failing) this.#options.log('error', 'the ledger cannot write its journal', { error: String(error) });
      this.#failing = true;
      this.#timer = this.#options.clock.after(RETRY_MS, () => this.write());
      return false;
    }
    if (this.#failing) this.#options.log('info', 'the ledger writes its journal again', {});
    this.#failing = false;
    return true;
  }

  /** Writes, and ends the current segment. Null when there is none, or when the disk takes nothing. */
  finish(): Segment | null {
    if (!this.write() || this.#current === null) return null;
    const { fd, path, records, bytes } = this.#current;
    this.#current = null;
    closeSync(fd);
    return { path, records, bytes };
  }

  /** Says that a segment is in the database and deleted. */
  release(segment: Segment): void {
    this.#onDisk -= segment.bytes;
    if (this.#full) {
      this.#options.log('info', 'the journal of the ledger has room again', { dropped: this.#dropped });
    }
    this.#full = false;
  }

  /** Finishes for the last time. What the disk does not take is dropped. */
  close(): Segment | null {
    const segment = this.finish();
    this.#options.clock.clear(this.#timer);
    const lost = this.#batchRecords + (this.#unwritten?.records ?? 0);
    if (lost > 0) {
      this.#dropped += lost;
      this.#options.log('error', 'records are lost: the journal of the ledger cannot be written', { records: lost });
    }
    return segment;
  }

  #writeBatch(): void {
    if (this.#unwritten === null) {
      this.#unwritten = { bytes: Buffer.from(this.#batch), records: this.#batchRecords };
      this.#batch = '';
      this.#batchRecords = 0;
    }
    const batch = this.#unwritten;
    this.#current ??= this.#open();
    const segment = this.#current;
    while (batch.bytes.length > 0) {
      const taken = writeSync(segment.fd, batch.bytes);
      segment.bytes += taken;
      this.#onDisk += taken;
      batch.bytes = batch.bytes.subarray(taken);
    }
    segment.records += batch.records;
    this.#unwritten = null;
    this.#options.written();
  }

  #open() {
    // A directory that somebody deleted comes back; the database is the operator's to restore.
    mkdirSync(this.#options.directory, { recursive: true });
    const path = join(this.#options.directory, segmentName(this.#nextSegment++));
    return { fd: openSync(path, 'ax'), path, records: 0, bytes: 0 };
  }

  #drop(): void {
    this.#dropped += 1;
    if (!this.#full) {
      this.#options.log('error', 'the journal of the ledger is full: records are dropped', { dropped: this.#dropped });
    }
    this.#full = true;
  }
}
