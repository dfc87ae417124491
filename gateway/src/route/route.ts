/** route: which targets may serve the call, in the order in which they are tried. */
import type { Call, Caller, Target } from '../call.ts';
import { Refused } from '../errors.ts';
import { byPriority } from '../policy/selection.ts';

/** @throws Refused `model_price_unknown` when this key has a limit on cost and no target's price is known (R11). */
export function route(call: Call, caller: Caller): readonly Target[] {
  const mustBePriced = caller.limits.countsCost(call.model.name) && call.model.unpriced === 'reject';
  const plan = byPriority(call.model.targets, mustBePriced);
  if (plan.length > 0) return plan;
  throw new Refused('model_price_unknown', {
    param: 'model',
    message: `The price of '${call.model.name}' is unknown and this key has a limit on cost. The operator can set a price, or 'unpriced: allow' on the model.`,
  });
}
