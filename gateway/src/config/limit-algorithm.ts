/** From a limit as written to the algorithm it means. Pure. */
import type { Algorithm, CalendarPeriod, Dimension } from '../policy/limit.ts';
import { bucketFits } from '../policy/token-bucket.ts';
import type { RuleProblem, WrittenLimit } from './limit-rule.ts';
import { type Parsed, parseCount, parseMoney } from './quantity.ts';
import type { Rate, Window } from './rate.ts';

/** How it counts. How long a lease of concurrency lasts is said elsewhere, for all of them. */
export type RuleAlgorithm = Exclude<Algorithm, { kind: 'concurrency' }> | { readonly kind: 'concurrency' };

/** As a limit names them; a day's index is its number in `CalendarStart`. */
export const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;

const HOUR_MS = 3_600_000;

/**
 * How long calls wait in a leaky bucket that says neither `burst` nor `maxWait`, in milliseconds. One call is a large part of an
 * amount of tokens or money, so there has to be more room for it.
 */
const LEAKY_WAIT_MS = { requests: 2000, others: 60_000 };

/** Keys that only some algorithms have. */
const ONLY_FOR = [
  { key: 'burst', what: 'a burst', who: 'a tokenBucket or leakyBucket', kinds: ['tokenBucket', 'leakyBucket'] },
  { key: 'timeZone', what: 'a time zone', who: 'a calendar limit', kinds: ['calendar'] },
  { key: 'weekStart', what: 'a first day of the week', who: 'a calendar limit', kinds: ['calendar'] },
  { key: 'anchorDay', what: 'a first day of the month', who: 'a calendar limit', kinds: ['calendar'] },
] as const;

/** The algorithm of a limit on `dimension`, or what is wrong with it. `rate` is null for concurrency. */
export function algorithmOf(
  written: WrittenLimit,
  dimension: Dimension,
  rate: Rate | null,
): RuleAlgorithm | RuleProblem {
  const kind = rate === null ? 'concurrency' : (written.algorithm ?? defaultAlgorithm(rate.window, written));
  const misplaced = ONLY_FOR.find(({ key, kinds }) => written[key] !== undefined && !kinds.some((one) => one === kind));
  if (misplaced !== undefined) {
    const { key, what, who } = misplaced;
    if (rate === null) return { key, problem: `a concurrency limit has no ${what.replace(/^an? /, '')}` };
    return { key, problem: `only ${who} has ${what}, and this limit is a ${kind}` };
  }
  if (rate === null) {
    if (written.algorithm === undefined || written.algorithm === 'concurrency') return { kind: 'concurrency' };
    return { key: 'algorithm', problem: 'a concurrency limit has no other algorithm; leave it out' };
  }
  switch (kind) {
    case 'calendar':
      return calendar(written, rate.window);
    case 'slidingWindow':
      if (rate.window.ms === null) return { key: 'algorithm', problem: noFixedLength(rate.window, kind) };
      return { kind, windowMs: rate.window.ms };
    case 'tokenBucket':
    case 'leakyBucket':
      return bucket(kind, written, dimension, rate);
    case 'concurrency':
      return { key: 'algorithm', problem: 'the algorithm concurrency is only for concurrency limits' };
  }
}

function defaultAlgorithm(window: Window, { burst }: WrittenLimit): Algorithm['kind'] {
  if (burst !== undefined) return 'tokenBucket';
  return window.period === null || (window.ms !== null && window.ms <= HOUR_MS) ? 'slidingWindow' : 'calendar';
}

function calendar({ timeZone = 'UTC', weekStart, anchorDay }: WrittenLimit, { period }: Window) {
  if (period === null) {
    return {
      key: 'algorithm',
      problem: 'a calendar limit needs minute, hour, day, week, month or year as its window',
    };
  }
  if (weekStart !== undefined && period !== 'week') {
    return {
      key: 'weekStart',
      problem: `only a week has a first day of the week, and this limit is for ${each(period)}`,
    };
  }
  if (anchorDay !== undefined && period !== 'month' && period !== 'year') {
    return {
      key: 'anchorDay',
      problem: `only a month and a year have a first day of the month, and this limit is for ${each(period)}`,
    };
  }
  const weekday = WEEKDAYS.indexOf(weekStart ?? 'monday');
  return { kind: 'calendar', period, timeZone, start: { weekday, day: anchorDay ?? 1 } } as const;
}

function each(period: CalendarPeriod): string {
  return period === 'hour' ? 'an hour' : `a ${period}`;
}

function bucket(
  kind: 'tokenBucket' | 'leakyBucket',
  written: WrittenLimit,
  dimension: Dimension,
  { amount, window }: Rate,
): RuleAlgorithm | RuleProblem {
  if (window.ms === null) {
    return { key: written.algorithm === undefined ? 'burst' : 'algorithm', problem: noFixedLength(window, kind) };
  }
  const parsed = burstOf(kind, written, dimension, amount, window.ms);
  if ('problem' in parsed) return { key: 'burst', problem: parsed.problem };
  const burst = parsed.value;
  if (bucketFits(amount, window.ms, burst)) return { kind, windowMs: window.ms, burst };
  const what = kind === 'tokenBucket' ? 'a token bucket' : 'a leaky bucket';
  return {
    key: dimension,
    problem: `${what} of this amount, window and burst cannot be counted exactly; use a rounder amount or a smaller burst`,
  };
}

function burstOf(
  kind: 'tokenBucket' | 'leakyBucket',
  { burst, maxWait, onExceed }: WrittenLimit,
  dimension: Dimension,
  amount: number,
  windowMs: number,
): Parsed<number> {
  if (burst !== undefined) {
    if (kind === 'leakyBucket' && maxWait !== undefined && onExceed !== 'queue') {
      return { problem: 'burst and maxWait both say how much may wait; write one of them' };
    }
    return dimension === 'cost' ? parseMoney(burst) : parseCount(burst);
  }
  if (kind === 'tokenBucket') return { value: amount };
  const waitMs = maxWait ?? (dimension === 'requests' ? LEAKY_WAIT_MS.requests : LEAKY_WAIT_MS.others);
  // In big integers, since an amount of money times a minute in milliseconds is beyond 2^53.
  const value = Number((BigInt(amount) * BigInt(waitMs)) / BigInt(windowMs));
  return { value: Math.max(1, value) };
}

function noFixedLength(window: Window, kind: string): string {
  const length = window.period === 'year' ? '24h or 7d' : '7d';
  return `a ${window.words} has no fixed length, so it cannot be a ${kind}; use a length such as ${length}`;
}
