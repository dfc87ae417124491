/** What becomes of a request that is over one or more limits. */
import type { Limit } from './limit.ts';

/** A limit, and how long it holds a request up: 0 when it passes, Infinity when it never will. */
export interface Held {
  readonly bound: { readonly limit: Limit };
  readonly retryAfterMs: number;
}

export type Consequence = 'reject' | 'queue' | 'degrade';

/**
 * One limit that refuses outright refuses; otherwise one that sends the call elsewhere decides; only where all that are over let
 * it wait, and each for long enough, does it wait. What is larger than a limit may be served elsewhere, but never waits for it.
 * When a place in a concurrency limit comes free nobody knows, so that is always waited for.
 */
export function consequenceOf(states: readonly Held[]): Consequence {
  let consequence: Consequence = 'queue';
  for (const { bound, retryAfterMs } of states) {
    const { onExceed, maxWaitMs, algorithm } = bound.limit;
    if (retryAfterMs === 0 || onExceed === 'report') continue;
    if (onExceed === 'degrade') consequence = 'degrade';
    else if (onExceed === 'reject' || retryAfterMs === Number.POSITIVE_INFINITY) return 'reject';
    else if (retryAfterMs > maxWaitMs && algorithm.kind !== 'concurrency') return 'reject';
  }
  return consequence;
}

/**
 * The index of the limit that a refusal names, given the one that holds up longest: the longest of those that refuse, since one
 * that would send the call elsewhere keeps nobody waiting.
 */
export function refusingOf(states: readonly Held[], binding: number): number {
  let refusing = binding;
  let longest = 0;
  for (let index = 0; index < states.length; index++) {
    const { bound, retryAfterMs } = states[index]!;
    const { onExceed } = bound.limit;
    if (onExceed === 'report' || onExceed === 'degrade' || retryAfterMs <= longest) continue;
    refusing = index;
    longest = retryAfterMs;
  }
  return refusing;
}

/** The longest that the limits which are over let a request wait, all in all: the shortest of theirs. In milliseconds. */
export function patienceOf(states: readonly Held[]): number {
  let patience = Number.POSITIVE_INFINITY;
  for (const { bound, retryAfterMs } of states) {
    if (retryAfterMs > 0 && bound.limit.onExceed === 'queue') patience = Math.min(patience, bound.limit.maxWaitMs);
  }
  return patience;
}

const stoodDown = new WeakMap<Limit, Limit>();
const counting = new WeakSet<Limit>();

/** The limit as it counts a call that it has sent to another model: it counts, and does not stand in the way again. */
export function stoodDownFrom(limit: Limit): Limit {
  let aside = stoodDown.get(limit);
  if (aside === undefined) {
    aside = { ...limit, onExceed: 'report' };
    stoodDown.set(limit, aside);
    counting.add(aside);
  }
  return aside;
}

/** Whether the limit is one that {@link stoodDownFrom} made. */
export function isStoodDown(limit: Limit): boolean {
  return counting.has(limit);
}
