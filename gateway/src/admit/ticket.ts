/** What a call holds of the limits while it runs. */
import type { Call, Target } from '../call.ts';
import { coveredOutput } from '../policy/demand.ts';
import type { Limit } from '../policy/limit.ts';
import type { Admission, LimitState, Refusal } from '../stores/limit-store.ts';
import type { Asking } from './admit.ts';

/** Settled exactly once, by its id. */
export interface Ticket {
  readonly id: string;
  /** The call that was admitted, which may be for another model than was asked for, or capped to what is left. */
  readonly call: Call;
  readonly plan: readonly Target[];
  /** The state of every limit just after the reservation, for the headers. */
  readonly states: readonly LimitState[];
  /** How many output tokens the reservation covers; Infinity where that is all that the call may produce. */
  readonly coveredTokens: number;
  /** Milliseconds for which it was held back. */
  readonly queueMs: number;
  /** The model it asked for, when a limit sent it to another; else null. */
  readonly degradedFrom: string | null;
  /** Why it was sent there, or had to wait for a limit; else null. */
  readonly heldBy: Refusal | null;
}

export function ticketFor(asking: Asking, { states }: Admission, queueMs: number): Ticket {
  const { id, plan, degradedFrom, heldBy } = asking;
  const coveredTokens = coverage(asking, states);
  const call = clamped(asking, states, coveredTokens);
  return { id, call, plan, states, coveredTokens, queueMs, degradedFrom, heldBy };
}

/** Whether output counts against the limit, and may be stopped by it. */
function bindsOutput({ onExceed, dimension }: Limit): boolean {
  return (
    onExceed !== 'report' && dimension !== 'requests' && dimension !== 'concurrency' && dimension !== 'inputTokens'
  );
}

/** The output tokens for which every limit has room reserved. */
function coverage({ call, demand }: Asking, states: readonly LimitState[]): number {
  if (call.outputCapped && demand.wanted.outputTokens >= call.outputTokens) return Number.POSITIVE_INFINITY;
  let covered = Number.POSITIVE_INFINITY;
  for (const { bound, taken } of states) {
    if (bindsOutput(bound.limit)) covered = Math.min(covered, coveredOutput(bound.limit, demand, taken));
  }
  return covered;
}

/** An answer in one piece cannot be extended as it flows: where a hard limit had less room than wanted, it is capped to the room. */
function clamped({ call, demand }: Asking, states: readonly LimitState[], covered: number): Call {
  if (call.streamed || call.outputCapped || covered >= demand.wanted.outputTokens) return call;
  const hard = states.some(
    ({ bound: { limit }, taken }) =>
      limit.overrun === 'hard' && bindsOutput(limit) && coveredOutput(limit, demand, taken) === covered,
  );
  return hard ? { ...call, outputCap: Math.max(1, Math.floor(covered / call.choices)) } : call;
}
