/** What becomes of requests of one size, all limits taken together. */
import type { Model } from '../call.ts';
import type { CallExplanation } from './document.ts';
import {
  consequenceFor,
  consequenceOfOne,
  firstToStop,
  type Outlook,
  retryInWords,
  retryOf,
  TARGETS_AT_LIMIT,
} from './outlook.ts';

type Verdict = CallExplanation['verdict'];

/** `targets`: for each target that may serve them, what its own limits say. */
export function verdictOf(
  model: Model,
  refused: CallExplanation['refused'],
  outlooks: readonly Outlook[],
  targets: readonly (readonly Outlook[])[],
): Verdict {
  const verdict = byLimits(model, outlooks);
  if (refused !== null) return { ...verdict, passesNow: false, words: refused.words };
  const sooner = verdict.passesNow ? soonestOf(targets) : null;
  return sooner === null ? verdict : atLimit(sooner, verdict);
}

function byLimits(model: Model, outlooks: readonly Outlook[]): Verdict {
  const first = firstToStop(outlooks);
  const startsInMs = Math.max(0, ...outlooks.map(turnOf));
  if (first === null) {
    const words = 'no limit stops such requests';
    const always = { passesNow: true, limit: null, passing: null, retry: 'now', retryAfterMs: 0 } as const;
    return { ...always, startsInMs, consequence: null, words };
  }
  const limit = first.state.bound.limit.id;
  const { passing } = first;
  const retry = retryOf(first.state);
  const common = { passesNow: passing > 0, limit, passing, ...retry, startsInMs };
  if (passing > 0) {
    const consequence = consequenceOfOne(first, model);
    const delay = startsInMs > 0 ? `, held back for ${startsInMs} ms,` : '';
    const these = passing === 1 ? '1 such request passes' : `${passing} such requests pass`;
    const words = `${these}${delay} now; ${limit} is the first to stop them: the next one is ${consequence.words}`;
    return { ...common, consequence, words };
  }
  const states = outlooks.map(({ state }) => state);
  const consequence = consequenceFor(states, outlooks.indexOf(first), model);
  const words = `no such request passes now: ${limit} stops it, and it is ${consequence.words}; ${whenInWords(retry)}`;
  return { ...common, consequence, words };
}

/** How long a leaky bucket holds back what passes it now: until what is in it has had its turn. */
function turnOf({ state }: Outlook): number {
  return state.bound.limit.algorithm.kind === 'leakyBucket' ? state.resetMs : 0;
}

/** Of the targets, when every one is at a limit of its own, what binds the one that is free soonest; else null. */
function soonestOf(targets: readonly (readonly Outlook[])[]): Outlook | null {
  let soonest: Outlook | null = null;
  for (const outlooks of targets) {
    const binding = firstToStop(outlooks);
    if (binding === null || binding.passing > 0) return null;
    if (soonest === null || binding.state.retryAfterMs < soonest.state.retryAfterMs) soonest = binding;
  }
  return soonest;
}

function atLimit({ state }: Outlook, verdict: Verdict): Verdict {
  const limit = state.bound.limit.id;
  const retry = retryOf(state);
  const { words: what } = TARGETS_AT_LIMIT;
  const words = `no such request passes now: every target is at its limit, of which ${limit} is the first to have room, and it is ${what}; ${whenInWords(retry)}`;
  return { ...verdict, passesNow: false, limit, passing: 0, ...retry, consequence: TARGETS_AT_LIMIT, words };
}

function whenInWords(retry: Pick<Verdict, 'retry' | 'retryAfterMs'>): string {
  return retry.retry === 'never' ? 'none ever passes' : `one passes ${retryInWords(retry)}`;
}
