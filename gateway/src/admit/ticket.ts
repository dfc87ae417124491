/** What a call holds of the limits while it runs. */
import type { Call, Target } from '../call.ts';
import { coveredOutput, type Demand } from '../policy/demand.ts';
import { bindsOutput, endsOutput, type Limit } from '../policy/limit.ts';
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
  const call = clamped(asking, states);
  return { id, call, plan, states, coveredTokens, queueMs, degradedFrom, heldBy };
}

/** The output tokens for which every limit has room reserved. */
function coverage(asking: Asking, states: readonly LimitState[]): number {
  const { call, demand } = asking;
  if (call.outputCapped && demand.wanted.outputTokens >= call.outputTokens) return Number.POSITIVE_INFINITY;
  return leastCovered(demand, states, bindsOutput);
}

/** An answer in one piece cannot be extended as it flows: where a hard limit had less room than wanted, it is capped to the room. */
function clamped({ call, demand }: Asking, states: readonly LimitState[]): Call {
  if (call.streamed || call.outputCapped) return call;
  const room = leastCovered(demand, states, endsOutput);
  if (room >= demand.wanted.outputTokens) return call;
  return { ...call, outputCap: Math.max(1, Math.floor(room / call.choices)) };
}

function leastCovered(demand: Demand, states: readonly LimitState[], counts: (limit: Limit) => boolean): number {
  let covered = Number.POSITIVE_INFINITY;
  for (const { bound, taken } of states) {
    if (counts(bound.limit)) covered = Math.min(covered, coveredOutput(bound.limit, demand, taken));
  }
  return covered;
}
