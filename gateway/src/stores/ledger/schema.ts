/**
 * The ledger's tables. Queries by hand are welcome: open the file read-only (`sqlite3 -readonly data/headgate.db`).
 *
 * Invariants
 *  (1) `requests` and `attempts` are append-only: no statement of Headgate updates or deletes a row.
 *  (2) `usage_by_minute` is derived from `requests` in the same transaction and can be rebuilt from it. It exists because
 *      two covering indexes on `requests` would make a record about half as dear again, and because a month of it is at
 *      most 44,640 rows for a subject, however many calls that made.
 *  (3) A migration is never edited once released; the next one is appended. `PRAGMA user_version` counts those applied.
 */
import type { DatabaseSync } from 'node:sqlite';

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,               -- milliseconds since the epoch
    region TEXT NOT NULL,
    operation TEXT,
    key_id TEXT,
    organization TEXT,
    tier TEXT,
    model TEXT,
    streamed INTEGER NOT NULL,         -- 0 or 1
    admitted INTEGER NOT NULL,         -- 0 or 1; 1: it counts as a request
    status INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT,
    limit_id TEXT,
    input_tokens INTEGER NOT NULL,     -- the five buckets are disjoint
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    usage_source TEXT NOT NULL,
    cost_nano INTEGER,                 -- nano-dollars; NULL: a price is unknown
    duration_ms REAL NOT NULL,
    first_token_ms REAL
  ) STRICT, WITHOUT ROWID;

  CREATE INDEX requests_by_time ON requests (at);

  CREATE TABLE attempts (
    request_id TEXT NOT NULL,
    number INTEGER NOT NULL,           -- 1 for the first attempt of a request
    target TEXT NOT NULL,
    provider TEXT NOT NULL,
    provider_model TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    usage_source TEXT NOT NULL,
    cost_nano INTEGER,
    price_input INTEGER,               -- pico-dollars per token; NULL: unknown
    price_cache_read INTEGER,
    price_cache_write INTEGER,
    price_output INTEGER,
    price_source TEXT,
    started_at INTEGER NOT NULL,       -- milliseconds since the epoch
    duration_ms REAL NOT NULL,
    PRIMARY KEY (request_id, number)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE usage_by_minute (
    level TEXT NOT NULL,               -- 'key' or 'organization'
    subject TEXT NOT NULL,
    minute INTEGER NOT NULL,           -- minutes since the epoch
    requests INTEGER NOT NULL,         -- calls that were admitted
    input_tokens INTEGER NOT NULL,     -- input, cache read and cache write
    output_tokens INTEGER NOT NULL,    -- output and reasoning
    cost_nano INTEGER NOT NULL,
    PRIMARY KEY (level, subject, minute)
  ) STRICT, WITHOUT ROWID;
  `,
];

/** Brings the schema up to date. Throws when the file was written by a newer Headgate. */
export function migrate(database: DatabaseSync): void {
  const row = database.prepare('PRAGMA user_version').get();
  const applied = Number(row?.['user_version']);
  if (applied > MIGRATIONS.length) {
    throw new Error(
      `the ledger has schema ${applied} and this Headgate knows ${MIGRATIONS.length}: start the newer Headgate that wrote it`,
    );
  }
  for (let version = applied; version < MIGRATIONS.length; version++) {
    database.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[version]!} PRAGMA user_version = ${version + 1}; COMMIT`);
  }
}
