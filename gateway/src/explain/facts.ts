/** Limits and their states as explanations show them. */

import { defaultOverrun } from '../config/limit-rule.ts';
import type { BoundLimit, Dimension, Limit } from '../policy/limit.ts';
import {
  algorithmInWords,
  amountInWords,
  boundInWords,
  levelInWords,
  limitInWords,
  rateInWords,
} from '../policy/words.ts';
import type { LimitState } from '../stores/limit-store.ts';
import type { DecidedLimit, LimitFacts, StateFacts, Unit } from './document.ts';
import { retryInWords, retryOf } from './outlook.ts';

export function factsOf({ limit, subject }: BoundLimit): LimitFacts {
  const { dimension, algorithm, onExceed, overrun, sharing } = limit;
  const unusual: LimitFacts['unusual'][number][] = [];
  if (overrun !== defaultOverrun(dimension, algorithm, onExceed)) unusual.push('overrun');
  if (sharing !== 'exact') unusual.push('sharing');
  return {
    id: limit.id,
    per: limit.per,
    subject,
    dimension,
    unit: unitOf(dimension),
    amount: limit.amount,
    window: limit.window,
    algorithm: { kind: algorithm.kind, words: algorithmInWords(limit), bound: boundInWords(limit) },
    onExceed,
    maxWaitMs: limit.maxWaitMs,
    onStoreError: limit.onStoreError,
    overrun,
    sharing,
    unusual,
    weights: limit.weights,
    source: limit.source,
    words: limitInWords(limit),
  };
}

/** `at`: when the state was read, in milliseconds since the epoch. */
export function stateFacts({ used, reserved, remaining, resetMs }: LimitState, at: number): StateFacts {
  return { used, reserved, remaining, resetMs, resetsAt: new Date(at + resetMs).toISOString() };
}

/** A limit as it stood when it decided. */
export function decidedOf(state: LimitState): DecidedLimit {
  const { bound, used, reserved, remaining } = state;
  const { limit, subject } = bound;
  const retry = retryOf(state);
  const passes = retry.retry === 'now' ? 'passed it' : `could pass it ${retryInWords(retry)}`;
  return {
    id: limit.id,
    subject,
    amount: limit.amount,
    unit: unitOf(limit.dimension),
    window: limit.window,
    source: limit.source,
    used,
    reserved,
    remaining,
    retryAfterMs: retry.retryAfterMs,
    words:
      `${limit.id} (${limit.source}): ${rateInWords(limit)} for ${levelInWords(limit.per)} ${subject}, ` +
      `with ${useInWords(limit, used, reserved)}; the request ${passes}`,
  };
}

function useInWords({ dimension }: Limit, used: number, reserved: number): string {
  const unit = dimension === 'cost' ? ' USD' : '';
  const held = `${amountInWords(dimension, reserved)}${unit} reserved`;
  return dimension === 'concurrency' ? held : `${amountInWords(dimension, used)}${unit} used and ${held}`;
}

function unitOf(dimension: Dimension): Unit {
  if (dimension === 'cost') return 'nanoUsd';
  return dimension === 'requests' || dimension === 'concurrency' ? 'requests' : 'tokens';
}
