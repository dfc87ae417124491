/**
 * Money: integers only. A price is pico-dollars per token, a cost is nano-dollars.
 *
 * 1 USD per million tokens = 1,000,000 pico-dollars per token, so prices are exact down to one millionth of a dollar per
 * million tokens, and the cost of a million tokens at 9,000 USD per million still fits a safe integer.
 */
import type { Usage } from './usage.ts';

/** Pico-dollars per token of each bucket of {@link Usage}; non-negative safe integers. */
export interface Prices {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly output: number;
  /** Where the figures come from: `config`, or the price list and its version. */
  readonly source: string;
}

export const NANO_PER_USD = 1_000_000_000;
const PICO_PER_NANO = 1000;

/** The nano-dollars that `usage` costs, rounded half up once, over the sum. Reasoning is priced as output. */
export function costOf(usage: Usage, prices: Prices): number {
  const pico =
    usage.inputTokens * prices.input +
    usage.cacheReadTokens * prices.cacheRead +
    usage.cacheWriteTokens * prices.cacheWrite +
    (usage.outputTokens + usage.reasoningTokens) * prices.output;
  return Math.floor((pico + PICO_PER_NANO / 2) / PICO_PER_NANO);
}

/** The most that a call can cost: every input token at the dearest input price. Nano-dollars, rounded up. */
export function worstCost(inputTokens: number, outputTokens: number, prices: Prices): number {
  const input = Math.max(prices.input, prices.cacheRead, prices.cacheWrite);
  return Math.ceil((inputTokens * input + outputTokens * prices.output) / PICO_PER_NANO);
}

/** The same for people: `0.0001234`, `20`. */
export function shortDollars(nano: number): string {
  return trimmed(dollars(nano));
}

/** A decimal without the zeros that end it. */
export function trimmed(decimal: string): string {
  return decimal.replace(/\.?0+$/, '');
}

/** Nano-dollars as a decimal string of dollars, without a float: `0.000123400`. */
export function dollars(nano: number): string {
  const whole = Math.floor(nano / NANO_PER_USD);
  return `${whole}.${String(nano % NANO_PER_USD).padStart(9, '0')}`;
}
