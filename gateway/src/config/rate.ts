/** How much per which time: `20k/minute`, `100/10s`, `20 USD/day`. Pure. */
import type { CalendarPeriod } from '../policy/limit.ts';
import { type Parsed, parseCount, parseDuration, parseMoney } from './quantity.ts';

export interface Window {
  /** As refusals say it after "per": `minute`, `10 seconds`. */
  readonly words: string;
  /** As limit ids say it: `minute`, `10s`. */
  readonly slug: string;
  /** Null for a month and a year, which have no fixed length. */
  readonly ms: number | null;
  /** The calendar period it names; null for a second and for a length such as `10s` or `24h`. */
  readonly period: CalendarPeriod | null;
}

export interface Rate {
  /** Requests, tokens or nano-dollars. */
  readonly amount: number;
  readonly window: Window;
}

const NAMED: Readonly<Record<string, { ms: number | null; period: CalendarPeriod | null }>> = {
  second: { ms: 1000, period: null },
  minute: { ms: 60_000, period: 'minute' },
  hour: { ms: 3_600_000, period: 'hour' },
  day: { ms: 86_400_000, period: 'day' },
  week: { ms: 604_800_000, period: 'week' },
  month: { ms: null, period: 'month' },
  year: { ms: null, period: 'year' },
};

const UNITS: Readonly<Record<string, string>> = { ms: 'millisecond', s: 'second', m: 'minute', h: 'hour', d: 'day' };

function parseWindow(text: string): Window | null {
  if (Object.hasOwn(NAMED, text)) return { words: text, slug: text, ...NAMED[text]! };
  const parsed = parseDuration(text);
  const match = /^(\d+)\s*(\D+)$/.exec(text);
  if ('problem' in parsed || match === null) return null;
  const count = Number(match[1]);
  const unit = UNITS[match[2]!]!;
  return {
    words: count === 1 ? unit : `${count} ${unit}s`,
    slug: `${count}${match[2]}`,
    ms: parsed.value,
    period: null,
  };
}

function parseRate(text: string, parseAmount: (text: string) => Parsed<number>, example: string): Parsed<Rate> {
  const slash = text.indexOf('/');
  if (slash === -1) return { problem: `expected an amount and a window such as ${example}` };
  const amount = parseAmount(text.slice(0, slash));
  if ('problem' in amount) return amount;
  const window = parseWindow(text.slice(slash + 1).trim());
  if (window === null) {
    return {
      problem: 'expected a window of second, minute, hour, day, week, month, year, or a length such as 10s or 24h',
    };
  }
  return { value: { amount: amount.value, window } };
}

/** `5/minute`, `20k/minute`, `1M/month`, `100/10s`. */
export function parseCountRate(text: string): Parsed<Rate> {
  return parseRate(text, parseCount, '5/minute or 20k/10s');
}

/** `20 USD/day`; the amount in nano-dollars. */
export function parseMoneyRate(text: string): Parsed<Rate> {
  return parseRate(text, parseMoney, '20 USD/day');
}
