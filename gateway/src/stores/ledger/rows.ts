/** Records to rows and back: the one place that knows the order of the columns. */
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { AttemptRecord, Operation, Outcome, RequestRecord } from '../../call.ts';
import type { Prices } from '../../policy/money.ts';
import type { Usage, UsageSource } from '../../policy/usage.ts';

type Row = Record<string, SQLOutputValue>;

/** What the records of schema 1 lack. A journal that such a Headgate left has them. */
const SINCE_SCHEMA_2 = { team: null, user: null, endUser: null, degradedFrom: null, queueMs: 0, reported: [] };
const AUDIO_SINCE_SCHEMA_2 = { audioInputTokens: 0, audioOutputTokens: 0 };

/** The record of a line of the journal. Throws a SyntaxError or TypeError when it is none. */
export function recordOf(line: string): RequestRecord {
  const record = JSON.parse(line) as RequestRecord;
  if (record.reported !== undefined) return record;
  return {
    ...SINCE_SCHEMA_2,
    ...record,
    usage: { ...AUDIO_SINCE_SCHEMA_2, ...record.usage },
    attempts: record.attempts.map((attempt) => ({ ...attempt, usage: { ...AUDIO_SINCE_SCHEMA_2, ...attempt.usage } })),
  };
}

/** The values of a `requests` row, in the order of its columns. */
export function requestRow(record: RequestRecord): SQLInputValue[] {
  const usage = record.usage;
  return [
    record.id,
    record.at,
    record.region,
    record.operation,
    record.keyId,
    record.organization,
    record.tier,
    record.model,
    record.streamed ? 1 : 0,
    record.admitted ? 1 : 0,
    record.status,
    record.outcome,
    record.code,
    record.limit,
    usage.inputTokens,
    usage.cacheReadTokens,
    usage.cacheWriteTokens,
    usage.outputTokens,
    usage.reasoningTokens,
    usage.source,
    record.cost,
    record.durationMs,
    record.firstTokenMs,
    usage.audioInputTokens,
    usage.audioOutputTokens,
    record.team,
    record.user,
    record.endUser,
    record.queueMs,
    record.degradedFrom,
    record.reported.length === 0 ? '[]' : JSON.stringify(record.reported),
  ];
}

/** The values of an `attempts` row, in the order of its columns. */
export function attemptRow(requestId: string, attempt: AttemptRecord): SQLInputValue[] {
  const { usage, prices } = attempt;
  return [
    requestId,
    attempt.number,
    attempt.target,
    attempt.provider,
    attempt.providerModel,
    attempt.outcome,
    attempt.status,
    usage.inputTokens,
    usage.cacheReadTokens,
    usage.cacheWriteTokens,
    usage.outputTokens,
    usage.reasoningTokens,
    usage.source,
    attempt.cost,
    prices === null ? null : prices.input,
    prices === null ? null : prices.cacheRead,
    prices === null ? null : prices.cacheWrite,
    prices === null ? null : prices.output,
    prices === null ? null : prices.source,
    attempt.startedAt,
    attempt.durationMs,
    usage.audioInputTokens,
    usage.audioOutputTokens,
  ];
}

export const INSERT_REQUEST = insertion('requests', 31, 'id');
export const INSERT_ATTEMPT = insertion('attempts', 23, 'request_id, number');

/** Not `INSERT OR IGNORE`: that would also swallow a row that breaks a NOT NULL, and lose it without a word. */
function insertion(table: string, columns: number, key: string): string {
  return `INSERT INTO ${table} VALUES (${Array(columns).fill('?').join(', ')}) ON CONFLICT (${key}) DO NOTHING`;
}

export function requestOf(row: Row, attempts: readonly AttemptRecord[]): RequestRecord {
  return {
    id: text(row['id']),
    at: number(row['at']),
    region: text(row['region']),
    operation: textOrNull(row['operation']) as Operation | null,
    keyId: textOrNull(row['key_id']),
    organization: textOrNull(row['organization']),
    team: textOrNull(row['team']),
    user: textOrNull(row['user_id']),
    tier: textOrNull(row['tier']),
    model: textOrNull(row['model']),
    degradedFrom: textOrNull(row['degraded_from']),
    endUser: textOrNull(row['end_user']),
    streamed: row['streamed'] === 1,
    admitted: row['admitted'] === 1,
    queueMs: number(row['queue_ms']),
    status: number(row['status']),
    outcome: text(row['outcome']) as Outcome,
    code: textOrNull(row['code']),
    limit: textOrNull(row['limit_id']),
    reported: JSON.parse(text(row['reported'])) as string[],
    usage: usageOf(row),
    cost: numberOrNull(row['cost_nano']),
    attempts,
    durationMs: number(row['duration_ms']),
    firstTokenMs: numberOrNull(row['first_token_ms']),
  };
}

export function attemptOf(row: Row): AttemptRecord {
  return {
    number: number(row['number']),
    target: text(row['target']),
    provider: text(row['provider']),
    providerModel: text(row['provider_model']),
    outcome: text(row['outcome']) as Outcome,
    status: numberOrNull(row['status']),
    usage: usageOf(row),
    cost: numberOrNull(row['cost_nano']),
    prices: pricesOf(row),
    startedAt: number(row['started_at']),
    durationMs: number(row['duration_ms']),
  };
}

function usageOf(row: Row): Usage {
  return {
    inputTokens: number(row['input_tokens']),
    cacheReadTokens: number(row['cache_read_tokens']),
    cacheWriteTokens: number(row['cache_write_tokens']),
    outputTokens: number(row['output_tokens']),
    reasoningTokens: number(row['reasoning_tokens']),
    audioInputTokens: number(row['audio_input_tokens']),
    audioOutputTokens: number(row['audio_output_tokens']),
    source: text(row['usage_source']) as UsageSource,
  };
}

function pricesOf(row: Row): Prices | null {
  const source = textOrNull(row['price_source']);
  if (source === null) return null;
  return {
    input: number(row['price_input']),
    cacheRead: number(row['price_cache_read']),
    cacheWrite: number(row['price_cache_write']),
    output: number(row['price_output']),
    source,
  };
}

const text = (value: SQLOutputValue | undefined) => String(value);
const number = (value: SQLOutputValue | undefined) => Number(value);
const textOrNull = (value: SQLOutputValue | undefined) => (value === null ? null : text(value));
const numberOrNull = (value: SQLOutputValue | undefined) => (value === null ? null : number(value));
