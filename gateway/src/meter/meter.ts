/** meter: what an attempt used and what it cost, from what passed by. */
import type { AttemptRecord, Call, Outcome, Target } from '../call.ts';
import { estimateOutputTokens } from '../policy/estimate.ts';
import { costOf } from '../policy/money.ts';
import { NO_USAGE, outputOf, type Usage } from '../policy/usage.ts';
import type { BodyReading, StreamReading } from '../protocols/dialect.ts';

/** What an attempt left behind, whoever made it. */
export interface Passed {
  readonly target: Target;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly outcome: Outcome;
  /** The provider's status; null when it never answered. */
  readonly status: number | null;
  /** The reading of a body that is not a stream; null when it never came whole. */
  readonly body: BodyReading | null;
  readonly reading: StreamReading | null;
  /** Bytes of the body that came. */
  readonly bytes: number;
}

/** The ledger's row for one attempt. */
export function meter(number: number, passed: Passed, call: Call): AttemptRecord {
  const usage = usageOf(passed, call);
  const { target } = passed;
  const prices = target.prices;
  return {
    number,
    target: target.id,
    provider: target.provider.name,
    providerModel: target.model,
    outcome: passed.outcome,
    status: passed.status,
    usage,
    cost: usage.source === 'none' ? 0 : prices === null ? null : costOf(usage, prices),
    prices,
    startedAt: passed.startedAt,
    durationMs: round(passed.durationMs),
  };
}

/**
 * The provider's figure where there is one, otherwise an estimate, marked so. Nothing is charged for an attempt that the provider
 * never began to answer, nor for one it refused: the text of an error is no output.
 */
function usageOf(passed: Passed, call: Call): Usage {
  if (passed.status === null || passed.status >= 300) return NO_USAGE;
  if (passed.reading === null) return passed.body?.usage ?? estimated(call, estimateOutputTokens(passed.bytes));
  const { usage, deliveredTokens, complete } = passed.reading;
  if (usage === null) return estimated(call, deliveredTokens);
  if (complete) return usage;
  // A running figure may lag behind what has been delivered since.
  const missing = Math.max(0, Math.min(deliveredTokens, capOf(call)) - outputOf(usage));
  return { ...usage, outputTokens: usage.outputTokens + missing, source: 'provider_partial' };
}

function estimated(call: Call, outputTokens: number): Usage {
  const output = call.operation === 'embedding' ? 0 : Math.min(outputTokens, capOf(call));
  return { ...NO_USAGE, inputTokens: call.inputTokens, outputTokens: output, source: 'estimated' };
}

/** The most output tokens the provider was told to produce, by the caller or for its model; infinite when by nobody. */
function capOf({ outputCapped, outputCap, choices, outputTokens }: Call): number {
  if (outputCapped) return outputTokens;
  return outputCap === null ? Number.POSITIVE_INFINITY : outputCap * choices;
}

/** Milliseconds with microseconds behind the point: a record is for people too. */
export function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
