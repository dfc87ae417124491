/**
 * settle: replaces what was reserved by what was used, and makes the one record of what happened. After the last byte.
 *
 * Invariants
 *  (1) Every call settles exactly once, whatever ended it; the store ignores a second settle of the same id.
 *  (2) Limits, ledger, log and metrics are told the same figures, from one record.
 */
import type { AttemptRecord, Call, Caller, Operation, RequestRecord } from '../call.ts';
import type { Refused } from '../errors.ts';
import { isStoodDown } from '../policy/exceed.ts';
import type { Learnt } from '../policy/learnt.ts';
import { addUsage, amountsOf, NO_USAGE } from '../policy/usage.ts';
import type { LimitState, LimitStore } from '../stores/limit-store.ts';
import { learn } from './learn.ts';

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
  /** As the limits stood when they admitted the call, or when they refused it. */
  readonly states: readonly LimitState[];
  readonly queueMs: number;
  readonly degradedFrom: string | null;
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
    team: caller?.team ?? null,
    user: caller?.user ?? null,
    tier: caller?.tier.id ?? null,
    model: call?.model.name ?? null,
    degradedFrom: ending.degradedFrom,
    endUser: call?.endUser ?? null,
    streamed: call?.streamed ?? false,
    admitted: ending.admitted,
    queueMs: ending.queueMs,
    status: ending.status,
    outcome: refusal?.row.outcome ?? last?.outcome ?? 'ok',
    code: refusal?.code ?? null,
    limit: refusal?.detail.binding?.bound.limit.id ?? refusal?.detail.limit ?? null,
    reported: reportedIn(ending.states),
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

/** What settling touches. */
export interface Settling {
  readonly limits: LimitStore;
  readonly lines: { freed(counter: string): void; readonly size: number };
  readonly learnt: Learnt;
}

/**
 * Gives back what was reserved and counts what was used, lets those in who wait for it, and learns from it. An unknown price
 * counts nothing: nobody can say what.
 */
export function settle(
  ticket: { readonly id: string; readonly call: Call; readonly states: readonly LimitState[] },
  record: RequestRecord,
  { limits, lines, learnt }: Settling,
): Promise<void> | null {
  learn(ticket.call, record, learnt);
  const answer = limits.settle(ticket.id, amountsOf(record.usage, record.cost));
  if (answer instanceof Promise) return answer.then(() => free(ticket.states, lines));
  free(ticket.states, lines);
  return null;
}

function free(states: readonly LimitState[], lines: Settling['lines']): void {
  if (lines.size === 0) return;
  for (const { bound } of states) lines.freed(bound.counter);
}

const NONE: readonly string[] = [];

/** The limits that only report and that the call was over. */
function reportedIn(states: readonly LimitState[]): readonly string[] {
  let reported = NONE;
  for (const { bound, retryAfterMs } of states) {
    if (retryAfterMs > 0 && bound.limit.onExceed === 'report' && !isStoodDown(bound.limit)) {
      reported = [...reported, bound.limit.id];
    }
  }
  return reported;
}
