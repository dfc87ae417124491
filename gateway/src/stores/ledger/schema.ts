/**
 * The ledger's tables. Queries by hand are welcome: open the file read-only (`sqlite3 -readonly data/headgate.db`).
 *
 * Invariants
 *  (1) `requests` and `attempts` are append-only: no statement of Headgate updates or deletes a row.
 *  (2) `meters` and `usage_by_minute` are derived from `requests` and `attempts` in the same transaction and can be rebuilt
 *      from them, as migration 2 does. A month of a meter is at most 44,640 rows, however many calls it counts, and lies
 *      together: a quota of any level is a sum over the few meters that match it, without an index on the large tables.
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
  `
  ALTER TABLE requests ADD COLUMN audio_input_tokens INTEGER NOT NULL DEFAULT 0;  -- among the five buckets
  ALTER TABLE requests ADD COLUMN audio_output_tokens INTEGER NOT NULL DEFAULT 0; -- among the five buckets
  ALTER TABLE requests ADD COLUMN team TEXT;
  ALTER TABLE requests ADD COLUMN user_id TEXT;
  ALTER TABLE requests ADD COLUMN end_user TEXT;
  ALTER TABLE requests ADD COLUMN queue_ms REAL NOT NULL DEFAULT 0;
  ALTER TABLE requests ADD COLUMN degraded_from TEXT;
  ALTER TABLE requests ADD COLUMN reported TEXT NOT NULL DEFAULT '[]';            -- a JSON array of limit ids
  ALTER TABLE attempts ADD COLUMN audio_input_tokens INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE attempts ADD COLUMN audio_output_tokens INTEGER NOT NULL DEFAULT 0;

  -- Whose use is added up: a caller's calls to one model for one end user, or everybody's attempts at a target for one
  -- model. What there is none of is ''.
  CREATE TABLE meters (
    id INTEGER PRIMARY KEY,
    organization TEXT NOT NULL,
    team TEXT NOT NULL,
    user_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    tier TEXT NOT NULL,
    model TEXT NOT NULL,
    end_user TEXT NOT NULL,
    target TEXT NOT NULL,              -- not '': a meter of attempts, which names its model and no caller
    UNIQUE (key_id, model, end_user, target, organization, team, user_id, tier)
  ) STRICT;

  CREATE INDEX meters_of_users ON meters (organization, user_id);
  CREATE INDEX meters_of_end_users ON meters (organization, end_user);
  CREATE INDEX meters_of_targets ON meters (target) WHERE target <> '';

  DROP TABLE usage_by_minute;
  CREATE TABLE usage_by_minute (
    meter INTEGER NOT NULL,
    minute INTEGER NOT NULL,           -- minutes since the epoch, in which the call arrived
    requests INTEGER NOT NULL,         -- calls that were admitted, or their attempts
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    audio_input_tokens INTEGER NOT NULL,
    audio_output_tokens INTEGER NOT NULL,
    cost_nano INTEGER NOT NULL,        -- an unknown cost adds nothing
    PRIMARY KEY (meter, minute)
  ) STRICT, WITHOUT ROWID;

  INSERT INTO meters (organization, team, user_id, key_id, tier, model, end_user, target)
    SELECT DISTINCT coalesce(organization, ''), '', '', coalesce(key_id, ''), coalesce(tier, ''), coalesce(model, ''), '', ''
      FROM requests WHERE admitted = 1
    UNION ALL
    SELECT DISTINCT '', '', '', '', '', coalesce(model, ''), '', target
      FROM attempts JOIN requests ON id = request_id WHERE admitted = 1;
  INSERT INTO usage_by_minute
    SELECT meters.id, at / 60000, count(*), sum(input_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
        sum(output_tokens), sum(reasoning_tokens), 0, 0, coalesce(sum(cost_nano), 0)
      FROM requests JOIN meters ON meters.key_id = coalesce(requests.key_id, '') AND meters.model = coalesce(requests.model, '')
        AND meters.organization = coalesce(requests.organization, '') AND meters.tier = coalesce(requests.tier, '')
        AND meters.target = ''
      WHERE admitted = 1 GROUP BY meters.id, at / 60000;
  INSERT INTO usage_by_minute
    SELECT meters.id, at / 60000, count(*), sum(attempts.input_tokens), sum(attempts.cache_read_tokens),
        sum(attempts.cache_write_tokens), sum(attempts.output_tokens), sum(attempts.reasoning_tokens), 0, 0,
        coalesce(sum(attempts.cost_nano), 0)
      FROM attempts JOIN requests ON requests.id = request_id
        JOIN meters ON meters.target = attempts.target AND meters.model = coalesce(requests.model, '')
        AND meters.target <> ''
      WHERE admitted = 1 GROUP BY meters.id, at / 60000;
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
