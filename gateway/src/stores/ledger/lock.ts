/**
 * Keeps a second gateway off the same ledger. The lock is the operating system's, taken through SQLite: it ends with the
 * process however that ends, so there is no stale lock, and pids that differ between containers do not matter.
 */
import { DatabaseSync } from 'node:sqlite';

export interface Lock {
  release(): void;
}

/** Takes the lock in the file at `path`. Throws, naming the holder and the way out, when another one has it. */
export function takeLock(path: string): Lock {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // The file tells nothing that a crash could spoil.
    database.exec('PRAGMA synchronous = OFF');
    database.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL)');
    database.exec(`BEGIN IMMEDIATE; DELETE FROM holder; INSERT INTO holder VALUES (${process.pid}); COMMIT`);
    // A reserved lock excludes other writers and still lets them read who holds it.
    database.exec('BEGIN IMMEDIATE');
  } catch (error) {
    const holder = isBusy(error) ? holderOf(database) : null;
    database.close();
    if (!isBusy(error)) throw error;
    throw new Error(
      `another gateway (process ${holder ?? 'unknown'}) is using this ledger. Stop it, or give this gateway its own file in stores.ledger`,
      { cause: error },
    );
  }
  return { release: () => database.close() };
}

/** SQLite's primary result code for a lock that another one has (https://sqlite.org/rescode.html#busy). */
const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

function holderOf(database: DatabaseSync): number | null {
  try {
    const row = database.prepare('SELECT pid FROM holder').get();
    return row === undefined ? null : Number(row['pid']);
  } catch {
    return null;
  }
}
