/** Adds up use, for quotas. Runs on the ledger's own thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { Amounts } from '../../policy/limit.ts';
import type { UseFilter } from '../ledger-store.ts';
import { MINUTE_MS } from './use.ts';

/** Which column holds which field of a filter, in `meters` as in the rows of calls and attempts. */
const COLUMNS = {
  organization: 'organization',
  team: 'team',
  user: 'user_id',
  key: 'key_id',
  tier: 'tier',
  model: 'model',
  endUser: 'end_user',
  target: 'target',
} as const;
type Field = keyof typeof COLUMNS;

const REQUESTS = 'requests';
/** The attempts, with what a filter asks of their calls. */
const ATTEMPTS = '(SELECT attempts.*, at, admitted, model FROM requests JOIN attempts ON request_id = id)';

const COUNTED = `input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
  audio_input_tokens, audio_output_tokens, cost_nano`;

const SUMS = Object.entries({
  requests: 'requests',
  inputTokens: 'input_tokens + cache_read_tokens + cache_write_tokens',
  outputTokens: 'output_tokens + reasoning_tokens',
  cost: 'cost_nano',
  cacheRead: 'cache_read_tokens',
  cacheWrite: 'cache_write_tokens',
  reasoning: 'reasoning_tokens',
  audioInput: 'audio_input_tokens',
  audioOutput: 'audio_output_tokens',
})
  .map(([name, column]) => `min(coalesce(sum(${column}), 0), ${Number.MAX_SAFE_INTEGER}) AS ${name}`)
  .join(', ');

/**
 * What the calls that match `filter` used of those that arrived in [`sinceMs`, `untilMs`): whole minutes from
 * `usage_by_minute`, the parts of minutes before and after them (none where a calendar period begins) from the rows.
 */
export function usedSince(database: DatabaseSync, filter: UseFilter, sinceMs: number, untilMs: number): Amounts {
  const wanted: Readonly<Partial<Record<Field, string>>> = filter;
  const given = (Object.keys(COLUMNS) as Field[]).filter((field) => wanted[field] !== undefined);
  const terms = given.map((field) => `${COLUMNS[field]} = :${field}`);
  if (filter.models !== undefined) terms.push('model IN (SELECT value FROM json_each(:models))');
  const ofTarget = filter.target !== undefined;
  // Said in so many words for the index that has targets only.
  const meters = [ofTarget ? "target <> ''" : "target = ''", ...terms].join(' AND ');
  const rows = `${ofTarget ? ATTEMPTS : REQUESTS} WHERE ${['admitted = 1', ...terms].join(' AND ')}`;
  const query = `SELECT ${SUMS} FROM (
    SELECT requests, ${COUNTED} FROM usage_by_minute
      WHERE meter IN (SELECT id FROM meters WHERE ${meters}) AND minute >= :first AND minute < :end
    UNION ALL SELECT 1, ${COUNTED} FROM ${rows} AND at >= :since AND at < :untilFirst
    UNION ALL SELECT 1, ${COUNTED} FROM ${rows} AND at >= :sinceEnd AND at < :until)`;

  const first = Math.ceil(sinceMs / MINUTE_MS);
  const end = Math.floor(untilMs / MINUTE_MS);
  const untilFirst = Math.min(first * MINUTE_MS, untilMs);
  const sinceEnd = Math.max(end * MINUTE_MS, untilFirst);
  const values: Record<string, string | number> = { first, end, since: sinceMs, untilFirst, sinceEnd, until: untilMs };
  for (const field of given) values[field] = wanted[field]!;
  if (filter.models !== undefined) values['models'] = JSON.stringify(filter.models);
  const { requests, inputTokens, outputTokens, cost, ...parts } = database
    .prepare(query)
    .get(values) as unknown as Sums;
  return { requests, inputTokens, outputTokens, cost, parts };
}

/** The end users of an organization with calls since the minute of `sinceMs`. */
export function endUsersSince(database: DatabaseSync, organization: string, sinceMs: number): string[] {
  const query = `SELECT DISTINCT end_user FROM meters WHERE organization = ? AND end_user <> ''
    AND EXISTS (SELECT 1 FROM usage_by_minute WHERE meter = meters.id AND minute >= ?)`;
  const rows = database.prepare(query).all(organization, Math.floor(sinceMs / MINUTE_MS));
  return rows.map((row) => String(row['end_user']));
}

type Sums = Omit<Amounts, 'parts'> & NonNullable<Amounts['parts']>;
