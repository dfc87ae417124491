/**
 * The log: one JSON line per event on standard output, through pino. The line of a request is its record, serialised once for log and
 * ledger; it holds no prompt, no answer and no credential, since the record holds none.
 */
import pino from 'pino';
import type { Clock } from '../clock.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface Log {
  event(level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Writes a request's record, given as one JSON object. */
  request(record: string): void;
  /** Writes everything out, synchronously. */
  flush(): void;
}

/** Lines gather until this many bytes wait, or until {@link FLUSH_MS} passed. */
const BUFFER_BYTES = 8 * 1024;
const FLUSH_MS = 100;

/** @param to a file path, or 1 for standard output. `requests`: whether requests are logged. */
export function openLog(clock: Clock, to: string | 1, level: Level, requests: boolean): Log {
  const destination = pino.destination({ dest: to, sync: false, minLength: BUFFER_BYTES, mkdir: true });
  const logger = pino({ level, base: null, timestamp: () => `,"time":${clock.now()}` }, destination);
  clock.every(FLUSH_MS, () => destination.flush());
  return {
    event: (at, message, fields) => logger[at](fields ?? {}, message),
    request: (record) => {
      if (requests) destination.write(`{"level":30,"msg":"request",${record.slice(1)}\n`);
    },
    flush: () => {
      try {
        destination.flushSync();
      } catch {
        // Not open yet, or closed with the terminal: there is nowhere left to say it.
      }
    },
  };
}
