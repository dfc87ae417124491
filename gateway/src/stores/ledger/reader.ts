/** Reads records back from the ledger. Runs on the ledger's own thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { RequestRecord } from '../../call.ts';
import { attemptOf, requestOf } from './rows.ts';

const ATTEMPTS = 'SELECT * FROM attempts WHERE request_id = ? ORDER BY number';

/** The last `most` records by arrival, newest first. */
export function recent(database: DatabaseSync, most: number): RequestRecord[] {
  const attempts = database.prepare(ATTEMPTS);
  const requests = database.prepare('SELECT * FROM requests ORDER BY at DESC, id DESC LIMIT ?').all(most);
  return requests.map((row) => requestOf(row, attempts.all(String(row['id'])).map(attemptOf)));
}

/** The record of the request `id`, or null. */
export function find(database: DatabaseSync, id: string): RequestRecord | null {
  const row = database.prepare('SELECT * FROM requests WHERE id = ?').get(id);
  return row === undefined ? null : requestOf(row, database.prepare(ATTEMPTS).all(id).map(attemptOf));
}
