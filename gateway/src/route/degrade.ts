/** The same call to the model that serves in place of the one it asked for, when a limit says so. */
import type { Call, Caller, Model, Target } from '../call.ts';
import type { Learnt } from '../policy/learnt.ts';
import { sizeOf } from '../policy/size.ts';
import { route } from './route.ts';

/** A call, and the targets that may serve it in the order in which they are tried. */
export interface Routed {
  readonly call: Call;
  readonly plan: readonly Target[];
}

/**
 * The operator names the model, so it serves whoever may call the one that was asked for. Null when there is none.
 * @throws Refused `model_price_unknown`, as {@link route} does.
 */
export function degraded(
  call: Call,
  caller: Caller,
  models: ReadonlyMap<string, Model>,
  learnt: Learnt,
): Routed | null {
  const model = call.model.degradeTo === null ? undefined : models.get(call.model.degradeTo);
  if (model === undefined) return null;
  const { milliBytesPerToken } = learnt.of(model.name);
  const size = sizeOf(call, model, call.measure, milliBytesPerToken, call.operation !== 'embedding');
  const instead: Call = { ...call, ...size, model };
  return { call: instead, plan: route(instead, caller) };
}
