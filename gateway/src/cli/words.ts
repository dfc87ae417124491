/** Limits and money in words, for a terminal. */
import type { Limit } from '../policy/limit.ts';
import { shortDollars, trimmed } from '../policy/money.ts';

const COUNTED: Readonly<Record<Limit['dimension'], string>> = {
  requests: 'requests',
  tokens: 'tokens',
  inputTokens: 'input tokens',
  outputTokens: 'output tokens',
  cost: 'USD',
  concurrency: 'requests at the same time',
};

/** `60 requests per minute for each key: never more in any minute (sliding window)`. */
export function limitInWords(limit: Limit): string {
  const amount = `${amountInWords(limit.dimension, limit.amount)} ${COUNTED[limit.dimension]}`;
  const rate = limit.window === '' ? amount : `${amount} per ${limit.window}`;
  const report = limit.onExceed === 'report' ? '; reported, not refused' : '';
  return `${rate} for each ${limit.per}: ${algorithmInWords(limit)}${report}`;
}

function algorithmInWords(limit: Limit): string {
  const { algorithm, window } = limit;
  switch (algorithm.kind) {
    case 'slidingWindow':
      return `never more in any ${window} (sliding window)`;
    case 'tokenBucket':
      return `refilled continuously, at most ${amountInWords(limit.dimension, algorithm.burst)} at once (token bucket)`;
    case 'calendar':
      return `starts anew with each ${algorithm.period} in ${algorithm.timeZone} (calendar)`;
    case 'concurrency':
      return `a slot comes back with the end of its answer, or ${algorithm.leaseMs / 1000} s after its gateway died (lease)`;
  }
}

function amountInWords(dimension: Limit['dimension'], amount: number): string {
  return dimension === 'cost' ? shortDollars(amount) : amount.toLocaleString('en-US');
}

/** Pico-dollars per token as USD per million tokens: `0.15`. */
export function priceInWords(pico: number): string {
  return trimmed(`${Math.floor(pico / 1_000_000)}.${String(pico % 1_000_000).padStart(6, '0')}`);
}
