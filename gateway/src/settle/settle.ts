/**
 * settle: replaces what was reserved by what was used, and makes the one record of what happened. After the last byte.
 *
 * Invariants
 *  (1) Every call settles exactly once, whatever ended it; the store ignores a second settle of the same id.
 *  (2) Limits, ledger, log and metrics are told the same figures, from one record.
 */
import type { AttemptRecord, Call, Caller, Operation, RequestRecord } from '../call.ts';
import type { Refused } from '../errors.ts';
import { addUsage, inputOf, NO_USAGE, outputOf } from '../policy/usage.ts';
import type { LimitStore } from '../stores/limit-store.ts';

/** What is known of a call when it is over; null where it never got so far. */
export interface Ending {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly region: string;
  readonly operation: Operation | null;
  readonly caller: Caller | null;
  readonly call: Call | null;
  readonly admitted: boolean;
  readonly attempts: readonly AttemptRecord[];
  readonly refusal: Refused | null;
  readonly status: number;
  readonly durationMs: number;
  readonly firstTokenMs: number | null;
}

/** The record of a call: the sum over its attempts, and how it ended. */
export function recordOf(ending: Ending): RequestRecord {
  const { caller, call, attempts, refusal } = ending;
  let usage = NO_USAGE;
  let cost: number | null = 0;
  for (const attempt of attempts) {
    usage = attempts.length === 1 ? attempt.usage : addUsage(usage, attempt.usage);
    cost = cost === null || attempt.cost === null ? null : cost + attempt.cost;
  }
  const last = attempts.at(-1);
  return {
    id: ending.id,
    at: ending.at,
    region: ending.region,
    operation: ending.operation,
    keyId: caller?.keyId ?? null,
    organization: caller?.organization ?? null,
    tier: caller?.tier.id ?? null,
    model: call?.model.name ?? null,
    streamed: call?.streamed ?? false,
    admitted: ending.admitted,
    status: ending.status,
    outcome: refusal?.row.outcome ?? last?.outcome ?? 'ok',
    code: refusal?.code ?? null,
    limit: refusal?.detail.binding?.bound.limit.id ?? null,
    usage,
    cost,
    attempts,
    durationMs: ending.durationMs,
    firstTokenMs: ending.firstTokenMs,
  };
}

/** Gives back what was reserved and counts what was used. An unknown price counts nothing: nobody can say what. */
export function settle(record: RequestRecord, limits: LimitStore): boolean | Promise<boolean> {
  return limits.settle(record.id, {
    requests: 1,
    inputTokens: inputOf(record.usage),
    outputTokens: outputOf(record.usage),
    cost: record.cost ?? 0,
  });
}
