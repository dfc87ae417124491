/** What limits say to requests of one size: how many still pass, which limit is the first to stop them, and what happens then. */
import { codeFor, waitText } from '../admit/refusal.ts';
import type { Model } from '../call.ts';
import { REFUSALS, type RefusalCode } from '../errors.ts';
import { type Demand, neededOf } from '../policy/demand.ts';
import { consequenceOf, patienceOf } from '../policy/exceed.ts';
import type { LimitState } from '../stores/limit-store.ts';
import type { Consequence, Retry } from './document.ts';

/** A limit, and how long it holds a request up. */
type Standing = Pick<LimitState, 'bound' | 'retryAfterMs'>;

/** One limit, as read for the demand. */
export interface Outlook {
  readonly state: LimitState;
  /** What one request takes of it. */
  readonly needed: number;
  /** How many pass now, one after the other, none ending; Infinity where it counts nothing of them. */
  readonly passing: number;
}

export function outlookOf(state: LimitState, demand: Demand): Outlook {
  const needed = neededOf(state.bound.limit, demand);
  return { state, needed, passing: passingOf(state, needed) };
}

function passingOf({ retryAfterMs, remaining }: LimitState, needed: number): number {
  if (retryAfterMs > 0) return 0;
  return needed === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(remaining / needed));
}

/** Of the limits that do not only report, the first to stop such requests; the one that stops them longest where several do. */
export function firstToStop(outlooks: readonly Outlook[]): Outlook | null {
  let first: Outlook | null = null;
  for (const outlook of outlooks) {
    if (outlook.state.bound.limit.onExceed === 'report' || outlook.passing === Number.POSITIVE_INFINITY) continue;
    if (first === null || outlook.passing < first.passing) first = outlook;
    else if (outlook.passing === first.passing && outlook.state.retryAfterMs > first.state.retryAfterMs)
      first = outlook;
  }
  return first;
}

/** When a place comes back nobody knows, so the time that the store tells for it is told to nobody. */
export function retryOf({ bound, retryAfterMs }: Standing): { retry: Retry; retryAfterMs: number | null } {
  if (retryAfterMs === 0) return { retry: 'now', retryAfterMs: 0 };
  if (retryAfterMs === Number.POSITIVE_INFINITY) return { retry: 'never', retryAfterMs: null };
  if (bound.limit.algorithm.kind === 'concurrency') return { retry: 'whenAnAnswerEnds', retryAfterMs: null };
  return { retry: 'later', retryAfterMs };
}

export function retryInWords({ retry, retryAfterMs }: { retry: Retry; retryAfterMs: number | null }): string {
  switch (retry) {
    case 'now':
      return 'now';
    case 'later':
      return `in ${waitText(retryAfterMs ?? 0)}`;
    case 'whenAnAnswerEnds':
      return 'when an answer ends';
    case 'never':
      return 'never';
  }
}

/** What happens to a request to `model` that is over its limits, as `held` says; the one at `binding` refuses when one does. */
export function consequenceFor(held: readonly Standing[], binding: number, { degradeTo }: Model): Consequence {
  const code = codeFor(held[binding]!);
  const consequence = consequenceOf(held);
  if (consequence === 'degrade' && degradeTo !== null) {
    const words = `sent to ${degradeTo}, whose own limits then decide`;
    return { ...NOTHING, does: 'degrade', model: degradeTo, words };
  }
  if (consequence !== 'queue') return { ...NOTHING, ...refusal(code), does: 'refuse', words: refusedWith(code) };
  const maxWaitMs = patienceOf(held);
  const words = `held back for up to ${maxWaitMs} ms, then ${refusedWith(code)}`;
  return { ...NOTHING, ...refusal(code), does: 'queue', maxWaitMs, words };
}

/** What happens once one limit alone is over. */
export function consequenceOfOne({ state }: Outlook, model: Model): Consequence {
  const { bound, retryAfterMs } = state;
  if (bound.limit.onExceed === 'report') return REPORTED;
  // How long it will last nobody knows before it happens; at least a moment.
  return consequenceFor([{ bound, retryAfterMs: Math.max(1, retryAfterMs) }], 0, model);
}

const NOTHING = { status: null, code: null, maxWaitMs: null, model: null } as const;

const REPORTED: Consequence = { ...NOTHING, does: 'report', words: 'let through, counted and reported' };

/** What a limit of a target does: the next target is tried. */
export const NEXT_TARGET: Consequence = {
  ...NOTHING,
  ...refusal('targets_at_limit'),
  does: 'nextTarget',
  words: `the next target is tried; where there is none, ${refusedWith('targets_at_limit')}`,
};

/** What becomes of a request whose targets are all at their limits. */
export const TARGETS_AT_LIMIT: Consequence = {
  ...NEXT_TARGET,
  does: 'refuse',
  words: refusedWith('targets_at_limit'),
};

function refusal(code: RefusalCode): { status: number; code: RefusalCode } {
  return { status: REFUSALS[code].status, code };
}

function refusedWith(code: RefusalCode): string {
  return `refused with ${REFUSALS[code].status} ${code}`;
}
