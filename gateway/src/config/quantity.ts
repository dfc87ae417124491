/** Numbers with a unit, as people write them, to exact integers. Pure; decimals are never floats. */

/** What reading a text gave: the value, or what is wrong with it in words that do not repeat it. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** The longest duration, in milliseconds: Node's longest timer, about 24.8 days. */
const DURATION_MAX_MS = 2_147_483_647;
const LARGEST = BigInt(Number.MAX_SAFE_INTEGER);

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const ZEROS: Readonly<Record<string, number>> = { '': 0, k: 3, M: 6, G: 9 };

/**
 * A plain decimal times 10^places, as an exact safe integer; or why there is none: it is no plain decimal, it has more
 * decimals than `places`, or it is beyond 2^53 - 1.
 */
export function scaled(text: string, places: number): number | 'malformed' | 'too fine' | 'too large' {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null) return 'malformed';
  const fraction = (match[2] ?? '').replace(/0+$/, '');
  if (fraction.length > places) return 'too fine';
  const value = BigInt(match[1] + fraction.padEnd(places, '0'));
  return value > LARGEST ? 'too large' : Number(value);
}

/** `500ms`, `2s`, `15m`, `6h`, `1d` to milliseconds: from 1 ms to about 24.8 days. */
export function parseDuration(text: string): Parsed<number> {
  const match = /^(\d+)\s*(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return { problem: 'expected a duration such as 500ms, 2s, 15m or 6h' };
  const value = Number(match[1]) * MILLISECONDS[match[2]!]!;
  if (value === 0) return { problem: 'expected a duration above 0' };
  if (value > DURATION_MAX_MS) return { problem: 'expected a duration of at most 24d' };
  return { value };
}

/** How long a limit may hold a request back, in milliseconds: longer waits are for jobs, not for connections. */
const WAIT_MAX_MS = 60_000;

/** A duration of at most 60 s, in milliseconds. */
export function parseMaxWait(text: string): Parsed<number> {
  const parsed = parseDuration(text);
  return 'value' in parsed && parsed.value > WAIT_MAX_MS ? { problem: 'expected a duration of at most 60s' } : parsed;
}

/** The shortest lease, in milliseconds: one is renewed several times before it ends. */
const LEASE_MIN_MS = 2000;

/** A duration of at least 2 s, in milliseconds. */
export function parseLease(text: string): Parsed<number> {
  const parsed = parseDuration(text);
  return 'value' in parsed && parsed.value < LEASE_MIN_MS ? { problem: 'expected a duration of at least 2s' } : parsed;
}

/** `64KiB`, `32MiB`, `1GiB` or plain bytes to bytes: from 1 to 2^53 - 1. */
export function parseSize(text: string): Parsed<number> {
  const match = /^(\d+)\s*(B|KiB|MiB|GiB)?$/.exec(text.trim());
  if (match === null) return { problem: 'expected a size such as 64KiB, 32MiB or 1GiB' };
  const value = Number(match[1]) * BYTES[match[2] ?? 'B']!;
  if (value === 0) return { problem: 'expected a size above 0' };
  if (!Number.isSafeInteger(value)) return { problem: 'the size is too large to be counted exactly' };
  return { value };
}

/** `5`, `20k`, `1.5M`, `2G` to a count: from 1 to 2^53 - 1. */
export function parseCount(text: string): Parsed<number> {
  const match = /^([\d.]+)\s*([kMG]?)$/.exec(text.trim());
  const value = match === null ? 'malformed' : scaled(match[1]!, ZEROS[match[2]!]!);
  if (value === 'malformed') return { problem: 'expected a count such as 5, 20k or 1M' };
  if (value === 'too fine') return { problem: 'expected a whole number' };
  if (value === 'too large') return { problem: 'the number is too large to be counted exactly; the most is 2^53 - 1' };
  if (value === 0) return { problem: 'expected a number above 0; 0 would refuse everything' };
  return { value };
}

/** The largest weight of a token, so that every sum of weighted tokens is exact. */
const WEIGHT_MAX = 1000;

/** `0.1`, `1.25` to thousandths: from 0 to 1,000,000. */
export function parseWeight(text: string): Parsed<number> {
  const value = scaled(text.trim(), 3);
  if (value === 'malformed') return { problem: 'expected a weight such as 0.1 or 1.25' };
  if (value === 'too fine') return { problem: 'expected at most 3 decimals: weights are counted in thousandths' };
  if (value === 'too large' || value > WEIGHT_MAX * 1000)
    return { problem: `expected a weight of at most ${WEIGHT_MAX}` };
  return { value };
}

/** A day of the month, from 1 to 31. */
export function parseMonthDay(text: string): Parsed<number> {
  const value = /^\d{1,2}$/.test(text.trim()) ? Number(text) : 0;
  return value >= 1 && value <= 31 ? { value } : { problem: 'expected a day of the month from 1 to 31' };
}

/** `20 USD`, `0.50 USD` to nano-dollars: from a billionth of a dollar to about 9 million dollars. */
export function parseMoney(text: string): Parsed<number> {
  const match = /^([\d.]+)\s*USD$/.exec(text.trim());
  const value = match === null ? 'malformed' : scaled(match[1]!, 9);
  if (value === 'malformed') return { problem: 'expected an amount of money such as 20 USD' };
  if (value === 'too fine')
    return { problem: 'expected at most 9 decimals: money is counted in billionths of a dollar' };
  if (value === 'too large')
    return { problem: 'the amount is too large to be counted exactly; the most is 9007199 USD' };
  if (value === 0) return { problem: 'expected an amount above 0; 0 would refuse everything' };
  return { value };
}

/** The dearest price believed, in USD per million tokens: anything above is a price per token or per thousand by mistake. */
const PRICE_MAX_USD = 10_000;

/** USD per million tokens, such as `0.15`, to pico-dollars per token. 0 is free on purpose. */
export function parsePrice(text: string): Parsed<number> {
  const value = scaled(text.trim(), 6);
  if (value === 'malformed') return { problem: 'expected a price in USD per million tokens such as 0.15' };
  if (value === 'too fine') return { problem: 'expected at most 6 decimals, in USD per million tokens' };
  if (value === 'too large' || value > PRICE_MAX_USD * 1_000_000) {
    return { problem: `more than ${PRICE_MAX_USD} USD per million tokens is not plausible` };
  }
  return { value };
}

/** `127.0.0.1:8080`, `localhost:0`, `[::1]:8080` to host and port. */
export function parseAddress(text: string): Parsed<{ host: string; port: number }> {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text.trim());
  if (match === null) return { problem: 'expected host:port such as 127.0.0.1:8080' };
  const port = Number(match[3]);
  if (port > 65_535) return { problem: 'expected a port from 0 to 65535' };
  return { value: { host: match[1] ?? match[2]!, port } };
}
