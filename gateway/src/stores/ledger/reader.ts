/** Reads the ledger back. Runs on the ledger's own thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { RequestRecord } from '../../call.ts';
import type { Dimension, Level } from '../../policy/limit.ts';
import { attemptOf, requestOf } from './rows.ts';
import { MINUTE_MS } from './use.ts';

/** The sums of {@link usedSince} over `usage_by_minute`. */
const OF_MINUTES: Record<Dimension, string> = {
  requests: 'requests',
  tokens: 'input_tokens + output_tokens',
  inputTokens: 'input_tokens',
  outputTokens: 'output_tokens',
  cost: 'cost_nano',
  concurrency: '0',
};

/** The same sums over `requests`. */
const OF_REQUESTS: Record<Dimension, string> = {
  requests: '1',
  tokens: 'input_tokens + cache_read_tokens + cache_write_tokens + output_tokens + reasoning_tokens',
  inputTokens: 'input_tokens + cache_read_tokens + cache_write_tokens',
  outputTokens: 'output_tokens + reasoning_tokens',
  cost: 'coalesce(cost_nano, 0)',
  concurrency: '0',
};

const SUBJECT_COLUMN: Record<Level, string> = { key: 'key_id', organization: 'organization' };

/**
 * What `subject` used in calls that arrived at or after `sinceMs`: whole minutes from `usage_by_minute`, the part of a
 * minute before them (none when a calendar period begins) from `requests`.
 * Beyond the largest safe integer it answers that integer.
 */
export function usedSince(
  database: DatabaseSync,
  level: Level,
  subject: string,
  dimension: Dimension,
  sinceMs: number,
): number {
  const minute = Math.ceil(sinceMs / MINUTE_MS);
  const row = database
    .prepare(
      `SELECT min(
        (SELECT coalesce(sum(${OF_MINUTES[dimension]}), 0) FROM usage_by_minute
          WHERE level = :level AND subject = :subject AND minute >= :minute)
        +
        (SELECT coalesce(sum(${OF_REQUESTS[dimension]}), 0) FROM requests
          WHERE at >= :since AND at < :until AND ${SUBJECT_COLUMN[level]} = :subject
            AND admitted = 1),
        ${Number.MAX_SAFE_INTEGER}) AS used`,
    )
    .get({ level, subject, minute, since: sinceMs, until: minute * MINUTE_MS });
  return Number(row?.['used']);
}

/** The last `most` records by arrival, newest first. */
export function recent(database: DatabaseSync, most: number): RequestRecord[] {
  const attempts = database.prepare('SELECT * FROM attempts WHERE request_id = ? ORDER BY number');
  const requests = database.prepare('SELECT * FROM requests ORDER BY at DESC, id DESC LIMIT ?').all(most);
  return requests.map((row) => requestOf(row, attempts.all(String(row['id'])).map(attemptOf)));
}
