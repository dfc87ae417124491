/**
 * The log: one JSON line per event on standard output, through pino. The line of a request is its record, serialised once for log and
 * ledger; it holds no prompt, no answer and no credential, since the record holds none.
 */
import { mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import pino from 'pino';
import type { Clock } from '../clock.ts';
import { LineWriter } from './line-writer.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface Log {
  event(level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Writes a request's record, given as one JSON object. */
  request(record: string): void;
  /** Lines given up because their reader is too slow. */
  readonly dropped: number;
  /** Writes everything out, synchronously. */
  flush(): void;
}

/** @param to a file path, or 1 for standard output. `requests`: whether requests are logged. */
export function openLog(clock: Clock, to: string | 1, level: Level, requests: boolean): Log {
  const writer = new LineWriter(descriptorOf(to), clock);
  const logger = pino({ level, base: null, timestamp: () => `,"time":${clock.now()}` }, writer);
  return {
    event: (at, message, fields) => logger[at](fields ?? {}, message),
    request: (record) => {
      if (requests) writer.write(`{"level":30,"msg":"request",${record.slice(1)}\n`);
    },
    get dropped() {
      return writer.dropped;
    },
    flush: () => writer.flushSync(),
  };
}

function descriptorOf(to: string | 1): number {
  if (to === 1) return 1;
  mkdirSync(dirname(to), { recursive: true });
  return openSync(to, 'a');
}
