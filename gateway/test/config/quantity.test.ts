import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Parsed,
  parseAddress,
  parseCount,
  parseDuration,
  parseLease,
  parseMaxWait,
  parseMoney,
  parseMonthDay,
  parsePrice,
  parseSize,
  parseWeight,
} from '../../src/config/quantity.ts';
import { parseCountRate, parseMoneyRate } from '../../src/config/rate.ts';

/** Each text with what it is read as; null: refused. */
function reads<T>(parse: (text: string) => Parsed<T>, table: Readonly<Record<string, T | null>>): void {
  for (const [text, expected] of Object.entries(table)) {
    const parsed = parse(text);
    assert.deepEqual('value' in parsed ? parsed.value : null, expected, JSON.stringify(text));
  }
}

test('durations are read in milliseconds', () => {
  reads(parseDuration, { '500ms': 500, '2s': 2000, '15m': 900_000, '6h': 21_600_000, '1d': 86_400_000, ' 2 s ': 2000 });
  reads(parseDuration, {
    '': null,
    '2': null,
    s: null,
    '0s': null,
    '-1s': null,
    '1.5s': null,
    '1h30m': null,
    '25d': null,
  });
});

test('sizes are read in bytes, with binary units only', () => {
  reads(parseSize, { '32MiB': 33_554_432, '1GiB': 1_073_741_824, '64KiB': 65_536, '1024': 1024, '10B': 10 });
  reads(parseSize, { '32MB': null, '0': null, '9999999999GiB': null, MiB: null });
});

test('counts are exact with every suffix', () => {
  reads(parseCount, { '5': 5, '20k': 20_000, '1M': 1_000_000, '1.5M': 1_500_000, '2G': 2_000_000_000 });
  reads(parseCount, {
    '9007199254740991': 9_007_199_254_740_991,
    '9007199254740992': null,
    '1.5': null,
    '0.0001k': null,
  });
  reads(parseCount, { '0': null, '-5': null, '1e3': null, '0x10': null, '5 k k': null, '1.2.3': null });
});

test('a wait is at most a minute, and a lease at least two seconds', () => {
  reads(parseMaxWait, { '1ms': 1, '60s': 60_000, '1m': 60_000, '60001ms': null, '0s': null, soon: null });
  reads(parseLease, { '2s': 2000, '2m': 120_000, '1999ms': null, '0s': null, long: null });
});

test('weights are read in thousandths, exactly', () => {
  reads(parseWeight, { '0': 0, '1': 1000, '0.1': 100, '1.25': 1250, '0.001': 1, '1.000000': 1000, '1000': 1_000_000 });
  reads(parseWeight, { '': null, '-1': null, '0.0001': null, '1000.001': null, '1e3': null, '.5': null, half: null });
});

test('a day of the month is from 1 to 31', () => {
  reads(parseMonthDay, {
    '1': 1,
    '15': 15,
    '31': 31,
    '0': null,
    '32': null,
    '1.5': null,
    '-1': null,
    last: null,
    '': null,
  });
});

test('money is read in integer nano-dollars, exactly', () => {
  reads(parseMoney, { '20 USD': 20_000_000_000, '0.1 USD': 100_000_000, '0.000000001 USD': 1 });
  reads(parseMoney, { '20': null, '20 EUR': null, '0 USD': null, '0.0000000001 USD': null, '9007200 USD': null });
});

test('prices are read in integer pico-dollars per token, exactly', () => {
  reads(parsePrice, { '0.15': 150_000, '0': 0, '0.000001': 1, '10000': 10_000_000_000, '2.50': 2_500_000 });
  reads(parsePrice, { '0.0000001': null, '10000.000001': null, '1e-3': null, '-1': null, '': null });
});

test('every decimal of six places or fewer is read as exactly its digits', () => {
  const places = fc.tuple(fc.integer({ min: 0, max: 9_999 }), fc.integer({ min: 0, max: 999_999 }));
  fc.assert(
    fc.property(places, ([whole, millionths]) => {
      const text = `${whole}.${String(millionths).padStart(6, '0')}`;
      assert.deepEqual(parsePrice(text), { value: whole * 1_000_000 + millionths });
    }),
  );
});

test('addresses name a host and a port', () => {
  reads(parseAddress, {
    '127.0.0.1:8080': { host: '127.0.0.1', port: 8080 },
    'localhost:0': { host: 'localhost', port: 0 },
    '[::1]:443': { host: '::1', port: 443 },
  });
  reads(parseAddress, { '8080': null, ':8080': null, '::1:443': null, 'host:65536': null, 'http://a:1': null });
});

test('rates are an amount and a window, in the words that refusals use', () => {
  reads(parseCountRate, {
    '5/minute': { amount: 5, window: { words: 'minute', slug: 'minute', ms: 60_000, period: 'minute' } },
    '20k / month': { amount: 20_000, window: { words: 'month', slug: 'month', ms: null, period: 'month' } },
    '100/10s': { amount: 100, window: { words: '10 seconds', slug: '10s', ms: 10_000, period: null } },
    '1/1m': { amount: 1, window: { words: 'minute', slug: '1m', ms: 60_000, period: null } },
    '5/fortnight': null,
    '5/constructor': null,
    '5': null,
    '/minute': null,
  });
  reads(parseMoneyRate, {
    '20 USD/day': { amount: 20_000_000_000, window: { words: 'day', slug: 'day', ms: 86_400_000, period: 'day' } },
    '20/day': null,
  });
});
