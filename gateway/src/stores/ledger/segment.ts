/** A segment: one file of the journal, and how it ends up in the tables. Runs on the ledger's own thread. */
import { appendFileSync, readFileSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Ingest } from './ingest.ts';

export interface Ingested {
  /** Lines that could not be stored; they are kept in `unfit.jsonl` beside the segments. */
  readonly unfit: number;
  /** Whether the last line was cut off by a crash. It had not yet been promised and was skipped. */
  readonly torn: boolean;
}

/** Stores a finished segment and deletes it. One that is gone was stored before: nothing is deleted unless it is committed. */
export function ingestSegment(path: string, ingest: Ingest): Ingested {
  const content = read(path);
  if (content === null) return { unfit: 0, torn: false };
  const lines = content.split('\n');
  const tail = lines.pop()!;
  // A line may be whole but for its newline; a record that is cut anywhere else is not JSON.
  const torn = tail !== '' && !isJson(tail);
  if (tail !== '' && !torn) lines.push(tail);

  const unfit = ingest.store(lines);
  if (unfit.length > 0) appendFileSync(join(dirname(path), 'unfit.jsonl'), `${unfit.join('\n')}\n`);
  unlinkSync(path);
  return { unfit: unfit.length, torn };
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
