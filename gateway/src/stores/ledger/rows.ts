/** Records to rows and back: the one place that knows the order of the columns. */
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { AttemptRecord, Operation, Outcome, RequestRecord } from '../../call.ts';
import type { Prices } from '../../policy/money.ts';
import type { Usage, UsageSource } from '../../policy/usage.ts';

type Row = Record<string, SQLOutputValue>;

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
  ];
}

export const INSERT_REQUEST = insertion('requests', 23, 'id');
export const INSERT_ATTEMPT = insertion('attempts', 21, 'request_id, number');

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
    tier: textOrNull(row['tier']),
    model: textOrNull(row['model']),
    streamed: row['streamed'] === 1,
    admitted: row['admitted'] === 1,
    status: number(row['status']),
    outcome: text(row['outcome']) as Outcome,
    code: textOrNull(row['code']),
    limit: textOrNull(row['limit_id']),
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
