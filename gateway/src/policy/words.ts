/** Limits and money in words, for people who run the gateway. */
import { USUAL_START } from './calendar.ts';
import type { Algorithm, Level, Limit } from './limit.ts';
import { shortDollars, trimmed } from './money.ts';

const COUNTED: Readonly<Record<Limit['dimension'], string>> = {
  requests: 'requests',
  tokens: 'tokens',
  inputTokens: 'input tokens',
  outputTokens: 'output tokens',
  weightedTokens: 'weighted tokens',
  cost: 'USD',
  concurrency: 'requests at the same time',
};

/** `60 requests per minute for each key: never more in any minute (sliding window)`. */
export function limitInWords(limit: Limit): string {
  return `${rateInWords(limit)} for each ${levelInWords(limit.per)}: ${algorithmInWords(limit)}${exceedInWords(limit)}`;
}

/** `60 requests per minute`. */
export function rateInWords(limit: Limit): string {
  const amount = quantityInWords(limit, limit.amount);
  return limit.window === '' ? amount : `${amount} per ${limit.window}`;
}

/** An amount in the limit's unit: `1,024 tokens`, `0.5 USD`. */
export function quantityInWords({ dimension }: Limit, amount: number): string {
  const counted = amount === 1 ? COUNTED[dimension].replace(/(request|token)s/, '$1') : COUNTED[dimension];
  return `${amountInWords(dimension, amount)} ${counted}`;
}

export function levelInWords(level: Level): string {
  return level === 'endUser' ? 'end user' : level;
}

/** What the limit admits at most, whatever happens; what was not reserved before it was used comes on top of it. */
export function boundInWords({ dimension, amount, algorithm, window }: Limit): string {
  switch (algorithm.kind) {
    case 'slidingWindow':
      return `never above the amount in any ${window}, at any alignment`;
    case 'tokenBucket':
      return `at most ${amountInWords(dimension, algorithm.burst)} above the amount in any ${window}`;
    case 'leakyBucket':
      return `at most one request above the amount starts in any ${window}`;
    case 'calendar':
      return `never above the amount in one ${algorithm.period}; up to twice the amount around its end`;
    case 'concurrency':
      return amount === 1 ? 'never more than one at a time' : 'never above the amount at a time';
  }
}

function exceedInWords({ onExceed, maxWaitMs }: Limit): string {
  switch (onExceed) {
    case 'reject':
      return '';
    case 'queue':
      return `; waits up to ${maxWaitMs / 1000} s before it is refused`;
    case 'degrade':
      return "; sent to the model's degradeTo, not refused";
    case 'report':
      return '; reported, not refused';
  }
}

export function algorithmInWords(limit: Limit): string {
  const { algorithm, window } = limit;
  switch (algorithm.kind) {
    case 'slidingWindow':
      return `never more in any ${window} (sliding window)`;
    case 'tokenBucket':
      return `refilled continuously, at most ${amountInWords(limit.dimension, algorithm.burst)} at once (token bucket)`;
    case 'leakyBucket':
      return `started at this pace, at most ${amountInWords(limit.dimension, algorithm.burst)} in it (leaky bucket)`;
    case 'calendar':
      return `starts anew with each ${algorithm.period} in ${algorithm.timeZone}${startInWords(algorithm)} (calendar)`;
    case 'concurrency':
      return `a slot comes back with the end of its answer, or ${algorithm.leaseMs / 1000} s after its gateway died (lease)`;
  }
}

const WEEKDAYS = ['Sundays', 'Mondays', 'Tuesdays', 'Wednesdays', 'Thursdays', 'Fridays', 'Saturdays'];

/** Where the period begins, when that is not where calendars have it. */
function startInWords({ period, start }: Extract<Algorithm, { kind: 'calendar' }>): string {
  if (period === 'week') return start.weekday === USUAL_START.weekday ? '' : ` on ${WEEKDAYS[start.weekday]}`;
  if (start.day === USUAL_START.day || (period !== 'month' && period !== 'year')) return '';
  return period === 'month' ? ` on day ${start.day}` : ` on day ${start.day} of January`;
}

export function amountInWords(dimension: Limit['dimension'], amount: number): string {
  return dimension === 'cost' ? shortDollars(amount) : amount.toLocaleString('en-US');
}

/** Pico-dollars per token as USD per million tokens: `0.15`. */
export function priceInWords(pico: number): string {
  return trimmed(`${Math.floor(pico / 1_000_000)}.${String(pico % 1_000_000).padStart(6, '0')}`);
}
