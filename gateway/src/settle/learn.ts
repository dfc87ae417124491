/** What an answer teaches about the next one of its model. Only figures that the provider reported teach anything. */
import type { Call, RequestRecord } from '../call.ts';
import type { Learnt } from '../policy/learnt.ts';
import { inputOf, outputOf } from '../policy/usage.ts';

export function learn(call: Call, record: RequestRecord, learnt: Learnt): void {
  const { usage, attempts, outcome } = record;
  if (usage.source !== 'provider' || attempts.length !== 1 || outcome !== 'ok') return;
  const model = learnt.of(call.model.name);
  if (call.measure.media === 0) model.input(call.measure.textBytes, inputOf(usage));
  if (call.operation !== 'embedding') model.output(Math.ceil(outputOf(usage) / call.choices));
}
