-- A ledger as Headgate wrote it before migration 2.
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

INSERT INTO requests VALUES ('req_1', 1795262400000, 'eu''west', 'chat', 'acme.web', 'acme', 'pro', 'chat-large', 1, 1, 200, 'ok', NULL, NULL, 100, 20, 3, 40, 5, 'provider', 1234, 525.003, 101.5);
INSERT INTO requests VALUES ('req_2', 1795262430000, 'eu-west', 'chat', 'acme.web', 'acme', 'free', 'chat-large', 1, 1, 200, 'ok', NULL, NULL, 100, 20, 3, 40, 5, 'provider', 1234, 525.003, 101.5);
INSERT INTO requests VALUES ('req_3', 1795262461000, 'eu-west', 'chat', 'acme.web', 'acme', 'pro', 'chat-small', 1, 1, 200, 'ok', NULL, NULL, 100, 20, 3, 40, 5, 'provider', NULL, 525.003, 101.5);
INSERT INTO requests VALUES ('req_4', 1795262461000, 'eu-west', 'chat', 'other.web', 'other', NULL, 'chat-large', 1, 1, 200, 'ok', NULL, NULL, 100, 20, 3, 40, 5, 'provider', 1234, 525.003, 101.5);
INSERT INTO requests VALUES ('req_5', 1795262462000, 'eu-west', 'chat', 'acme.web', 'acme', 'pro', 'chat-large', 1, 0, 429, 'rejected_admit', 'rate_limit_exceeded', 'pro.requests', 0, 0, 0, 0, 0, 'none', 0, 525.003, NULL);
INSERT INTO requests VALUES ('req_6', 1795262462000, 'eu-west', 'models', 'acme.web', 'acme', 'pro', NULL, 1, 1, 200, 'ok', NULL, NULL, 0, 0, 0, 0, 0, 'none', 0, 525.003, 101.5);

INSERT INTO attempts VALUES ('req_1', 1, 'openai/gpt-5.6', 'openai', 'gpt-5.6', 'ok', 200, 100, 20, 3, 40, 5, 'provider', 1234, 200000, 20000, 250000, 800000, 'config', 1795262400001, 523.127);
INSERT INTO attempts VALUES ('req_2', 1, 'azure/gpt-5.6', 'azure', 'gpt-5.6', 'timeout_headers', NULL, 0, 0, 0, 0, 0, 'none', 0, 200000, 20000, 250000, 800000, 'config', 1795262400001, 60000.5);
INSERT INTO attempts VALUES ('req_2', 2, 'openai/gpt-5.6', 'openai', 'gpt-5.6', 'ok', 200, 100, 20, 3, 40, 5, 'provider', 1234, 200000, 20000, 250000, 800000, 'config', 1795262400001, 523.127);
INSERT INTO attempts VALUES ('req_3', 1, 'openai/gpt-5.6', 'openai', 'gpt-5.6', 'ok', 200, 100, 20, 3, 40, 5, 'provider', NULL, NULL, NULL, NULL, NULL, NULL, 1795262400001, 523.127);
INSERT INTO attempts VALUES ('req_4', 1, 'openai/gpt-5.6', 'openai', 'gpt-5.6', 'ok', 200, 100, 20, 3, 40, 5, 'provider', 1234, 200000, 20000, 250000, 800000, 'config', 1795262400001, 523.127);

INSERT INTO usage_by_minute VALUES ('key', 'acme.web', 29921040, 2, 246, 90, 2468);
INSERT INTO usage_by_minute VALUES ('key', 'acme.web', 29921041, 2, 123, 45, 0);
INSERT INTO usage_by_minute VALUES ('key', 'other.web', 29921041, 1, 123, 45, 1234);
INSERT INTO usage_by_minute VALUES ('organization', 'acme', 29921040, 2, 246, 90, 2468);
INSERT INTO usage_by_minute VALUES ('organization', 'acme', 29921041, 2, 123, 45, 0);
INSERT INTO usage_by_minute VALUES ('organization', 'other', 29921041, 1, 123, 45, 1234);

PRAGMA user_version = 1;
