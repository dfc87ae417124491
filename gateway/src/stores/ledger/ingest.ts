/**
 * Moves lines of the journal into the tables.
 *
 * Invariants
 *  (1) One batch is one transaction: all of it is in the tables, or none.
 *  (2) Idempotent: a request that is in the tables is skipped with its attempts and its use.
 *  (3) A line that can never be stored does not hold up those behind it: it is returned, not dropped.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { RequestRecord } from '../../call.ts';
import { attemptRow, INSERT_ATTEMPT, INSERT_REQUEST, recordOf, requestRow } from './rows.ts';
import { UseByMinute } from './use.ts';
import { UseRows } from './use-rows.ts';

/** SQLite's primary result code for a broken constraint (https://sqlite.org/rescode.html#constraint). */
const SQLITE_CONSTRAINT = 19;

export class Ingest {
  #database: DatabaseSync;
  #insertRequest: StatementSync;
  #insertAttempt: StatementSync;
  #useRows: UseRows;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insertRequest = database.prepare(INSERT_REQUEST);
    this.#insertAttempt = database.prepare(INSERT_ATTEMPT);
    this.#useRows = new UseRows(database);
  }

  /** Stores every line that can be stored and returns the others. Throws, having stored nothing, when the database fails. */
  store(lines: readonly string[]): string[] {
    const unfit = new Set<string>();
    while (!this.#attempt(lines, unfit));
    return [...unfit];
  }

  /** One transaction over the lines that are not known to be unfit; false when it met another one of those. */
  #attempt(lines: readonly string[], unfit: Set<string>): boolean {
    let current = '';
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const uses = new UseByMinute();
      for (const line of lines) {
        if (unfit.has(line)) continue;
        current = line;
        this.#insert(recordOf(line), uses);
      }
      current = '';
      for (const use of uses.values()) this.#useRows.add(use);
      this.#database.exec('COMMIT');
      return true;
    } catch (error) {
      // A full disk may have rolled it back already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      if (current === '' || !isUnfit(error)) throw error;
      unfit.add(current);
      return false;
    }
  }

  #insert(record: RequestRecord, uses: UseByMinute): void {
    const { changes } = this.#insertRequest.run(...requestRow(record));
    if (changes === 0) return;
    for (const attempt of record.attempts) this.#insertAttempt.run(...attemptRow(record.id, attempt));
    uses.add(record);
  }
}

/** Whether the line is at fault and not the database. */
function isUnfit(error: unknown): boolean {
  if (error instanceof SyntaxError || error instanceof TypeError) return true;
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_CONSTRAINT;
}
