/** admit: may the call run now. Takes its worst case from every limit at once, or refuses and takes nothing. */
import type { Call, Caller, Target } from '../call.ts';
import type { Amounts } from '../policy/limit.ts';
import { worstCost } from '../policy/money.ts';
import type { LimitState, LimitStore } from '../stores/limit-store.ts';
import { refusalFor } from './refusal.ts';

/** What a call holds of the limits while it runs. Settled exactly once, by its id. */
export interface Ticket {
  readonly id: string;
  /** The state of every limit just after the reservation, for the headers. */
  readonly states: readonly LimitState[];
}

/** @throws Refused naming the limit that binds. */
export async function admit(
  id: string,
  call: Call,
  caller: Caller,
  plan: readonly Target[],
  limits: LimitStore,
): Promise<Ticket> {
  const amounts = worstCase(call, plan);
  const decision = limits.reserve(id, caller.limits, amounts);
  // A store in this process answers at once; waiting for it would cost a turn of the loop for nothing.
  const decided = decision instanceof Promise ? await decision : decision;
  if (decided.admitted) return { id, states: decided.states };
  throw refusalFor(decided.states, decided.binding, amounts, caller.tier);
}

/** What the call uses if it goes on to its cap, at the dearest target that may serve it. */
function worstCase(call: Call, plan: readonly Target[]): Amounts {
  let cost = 0;
  for (const target of plan) {
    if (target.prices !== null) cost = Math.max(cost, worstCost(call.inputTokens, call.outputTokens, target.prices));
  }
  return { requests: 1, inputTokens: call.inputTokens, outputTokens: call.outputTokens, cost };
}
