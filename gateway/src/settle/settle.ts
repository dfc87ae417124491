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
  let usage = attempts[0]?.usage ?? NO_USAGE;
  for (let index = 1; index < attempts.length; index++) usage = addUsage(usage, attempts[index]!.usage);
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
    cost: costOfAll(attempts),
    attempts,
    durationMs: ending.durationMs,
    firstTokenMs: ending.firstTokenMs,
  };
}

/** What the attempts cost together, in nano-dollars; null when the price of one is unknown. */
export function costOfAll(attempts: readonly AttemptRecord[]): number | null {
  let sum = 0;
  for (const { cost } of attempts) {
    if (cost === null) return null;
    sum += cost;
  }
  return sum;
}

/** Gives back what was reserved and counts what was used. An unknown price counts nothing: nobody can say what. */
export function settle(ticket: string, record: RequestRecord, limits: LimitStore): boolean | Promise<boolean> {
  return limits.settle(ticket, {
    requests: 1,
    inputTokens: inputOf(record.usage),
    outputTokens: outputOf(record.usage),
    cost: record.cost ?? 0,
  });
}
