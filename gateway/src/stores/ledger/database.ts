/** Opens the ledger's database. Runs on the ledger's own thread only: every call here blocks. */
import { DatabaseSync } from 'node:sqlite';
import { migrate } from './schema.ts';

/** How long a statement waits for another process's lock, in milliseconds; after it the ledger backs off and retries. */
const BUSY_TIMEOUT_MS = 250;

/**
 * WAL, so that readers never wait and `kill -9` loses no committed row. `synchronous = NORMAL` gives up the last
 * transactions on power loss, as the journal does.
 */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Moves the write-ahead log into the database file, so that it is one complete file, and closes it. */
export function closeDatabase(database: DatabaseSync): void {
  try {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
}
