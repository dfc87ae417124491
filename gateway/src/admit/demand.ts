/** What a call asks of its limits: its worst case, what of that has to fit, and what no estimate had a part in. */
import type { Call, Target } from '../call.ts';
import type { Demand } from '../policy/demand.ts';
import type { Learnt } from '../policy/learnt.ts';
import { type Amounts, type BoundLimit, endsOutput } from '../policy/limit.ts';
import { worstCost } from '../policy/money.ts';

/** An estimate of the input is believed to be at most twice the truth. */
const INPUT_CERTAIN_DIVISOR = 2;

/** `plan`: the targets that may serve it, of which the dearest is reserved for; `limits`: what it is asked of. */
export function demandFor(call: Call, plan: readonly Target[], learnt: Learnt, limits: readonly BoundLimit[]): Demand {
  const wanted = outputWanted(call, learnt, limits);
  // A cap that is stated and reserved has to fit; output that nobody can foresee has to begin.
  const exact = call.outputCapped && wanted === call.outputTokens;
  const needed = exact ? wanted : Math.min(wanted, call.choices);
  const certain = Math.floor(call.inputTokens / INPUT_CERTAIN_DIVISOR);
  const whole = amountsFor(call.inputTokens, wanted, plan);
  return {
    wanted: whole,
    needed: exact ? whole : amountsFor(call.inputTokens, needed, plan),
    certain: amountsFor(certain, exact ? wanted : 0, plan),
  };
}

function outputWanted(call: Call, learnt: Learnt, limits: readonly BoundLimit[]): number {
  const { output } = call.model.reserve;
  // An answer in one piece cannot be extended nor ended as it flows, so a hard limit reserves all of it.
  if (output === 'cap' || (!call.streamed && limits.some(({ limit }) => endsOutput(limit)))) return call.outputTokens;
  const each = output === 'p95' ? learnt.of(call.model.name).p95 : output;
  return each === null ? call.outputTokens : Math.min(call.outputTokens, each * call.choices);
}

function amountsFor(inputTokens: number, outputTokens: number, plan: readonly Target[]): Amounts {
  let cost = 0;
  for (let index = 0; index < plan.length; index++) {
    const { prices } = plan[index]!;
    if (prices !== null) cost = Math.max(cost, worstCost(inputTokens, outputTokens, prices));
  }
  return { requests: 1, inputTokens, outputTokens, cost, parts: null };
}
