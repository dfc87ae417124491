import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Algorithm } from '../../src/policy/limit.ts';
import { snapshotFrom } from '../fakes/config.ts';

const MONDAY_THE_FIRST = { weekday: 1, day: 1 };

const limitsOf = (...limits: string[]) => snapshotFrom(`tiers: { t: { limits: [ ${limits.join(', ')} ] } }`).limits;

test('each window has its algorithm unless another is asked for', () => {
  const table: Readonly<Record<string, Algorithm>> = {
    '{ requests: 5/second }': { kind: 'slidingWindow', windowMs: 1000 },
    '{ requests: 5/hour }': { kind: 'slidingWindow', windowMs: 3_600_000 },
    '{ requests: 5/24h }': { kind: 'slidingWindow', windowMs: 86_400_000 },
    '{ requests: 5/day }': { kind: 'calendar', period: 'day', timeZone: 'UTC', start: MONDAY_THE_FIRST },
    '{ tokens: 1M/month, timeZone: Europe/Paris, anchorDay: 31 }': {
      kind: 'calendar',
      period: 'month',
      timeZone: 'Europe/Paris',
      start: { weekday: 1, day: 31 },
    },
    '{ tokens: 1M/week, weekStart: sunday }': {
      kind: 'calendar',
      period: 'week',
      timeZone: 'UTC',
      start: { weekday: 0, day: 1 },
    },
    '{ requests: 5/minute, algorithm: calendar }': {
      kind: 'calendar',
      period: 'minute',
      timeZone: 'UTC',
      start: MONDAY_THE_FIRST,
    },
    '{ requests: 5/day, algorithm: slidingWindow }': { kind: 'slidingWindow', windowMs: 86_400_000 },
    '{ tokens: 20k/minute, burst: 40k }': { kind: 'tokenBucket', windowMs: 60_000, burst: 40_000 },
    '{ tokens: 20k/minute, algorithm: tokenBucket }': { kind: 'tokenBucket', windowMs: 60_000, burst: 20_000 },
    '{ cost: 20 USD/day, burst: 5 USD }': { kind: 'tokenBucket', windowMs: 86_400_000, burst: 5_000_000_000 },
    '{ requests: 10/second, algorithm: leakyBucket }': { kind: 'leakyBucket', windowMs: 1000, burst: 20 },
    '{ requests: 10/second, algorithm: leakyBucket, maxWait: 50ms }': { kind: 'leakyBucket', windowMs: 1000, burst: 1 },
    '{ requests: 60/minute, algorithm: leakyBucket, maxWait: 2500ms }': {
      kind: 'leakyBucket',
      windowMs: 60_000,
      burst: 2,
    },
    '{ requests: 60/minute, algorithm: leakyBucket, burst: 9 }': { kind: 'leakyBucket', windowMs: 60_000, burst: 9 },
    '{ tokens: 1M/hour, algorithm: leakyBucket }': { kind: 'leakyBucket', windowMs: 3_600_000, burst: 16_666 },
    '{ cost: 9000 USD/second, algorithm: leakyBucket, maxWait: 1s }': {
      kind: 'leakyBucket',
      windowMs: 1000,
      burst: 9_000_000_000_000,
    },
    '{ concurrency: 2 }': { kind: 'concurrency', leaseMs: 120_000 },
  };
  for (const [limit, algorithm] of Object.entries(table))
    assert.deepEqual(limitsOf(limit)[0]!.algorithm, algorithm, limit);
});

test('while the store is away hard budgets refuse, and every other limit is enforced by each process for its share', () => {
  const table = {
    '{ cost: 1 USD/month }': 'closed',
    '{ cost: 1 USD/hour, algorithm: calendar }': 'closed',
    '{ weightedTokens: 1M/day }': 'closed',
    '{ inputTokens: 1M/hour, algorithm: calendar }': 'localShare',
    '{ requests: 1000/day }': 'localShare',
    '{ cost: 1 USD/minute }': 'localShare',
    '{ tokens: 1M/24h }': 'localShare',
    '{ concurrency: 2 }': 'localShare',
    '{ cost: 1 USD/month, onExceed: report }': 'localShare',
    '{ cost: 1 USD/month, onStoreError: open }': 'open',
    '{ requests: 1/minute, onStoreError: closed }': 'closed',
  };
  for (const [limit, policy] of Object.entries(table)) assert.equal(limitsOf(limit)[0]!.onStoreError, policy, limit);
});

test('a stream ends at limits on cost and calendar limits, and finishes into debt at the others', () => {
  const table = {
    '{ cost: 1 USD/minute }': 'hard',
    '{ tokens: 1M/month }': 'hard',
    '{ tokens: 20k/minute }': 'soft',
    '{ tokens: 20k/minute, burst: 40k }': 'soft',
    '{ cost: 1 USD/day, onExceed: report }': 'soft',
    '{ cost: 1 USD/day, overrun: soft }': 'soft',
    '{ tokens: 20k/minute, overrun: hard }': 'hard',
  };
  for (const [limit, overrun] of Object.entries(table)) assert.equal(limitsOf(limit)[0]!.overrun, overrun, limit);
});

test('only a limit that queues makes calls wait, 2 s unless it says how long', () => {
  const waits = limitsOf(
    '{ requests: 5/minute, onExceed: queue }',
    '{ requests: 5/minute, onExceed: queue, maxWait: 60s }',
    '{ requests: 5/minute }',
    '{ requests: 5/second, algorithm: leakyBucket, maxWait: 3s }',
  ).map(({ maxWaitMs }) => maxWaitMs);
  assert.deepEqual(waits, [2000, 60_000, 0, 0]);
});

test('R5: a limit is decided exactly unless it says that parts of it may be leased', () => {
  const [exact, leased] = limitsOf('{ requests: 5/minute }', '{ requests: 5/minute, mode: leased }');
  assert.deepEqual([exact!.sharing, leased!.sharing], ['exact', 'leased']);
});

test('weights are exact thousandths; those left out are what most providers count, and reasoning weighs as output', () => {
  const [usual, own, tokens] = limitsOf(
    '{ weightedTokens: 1M/day }',
    '{ weightedTokens: 1M/day, weights: { output: 4.125, cacheRead: 0 } }',
    '{ tokens: 1M/day }',
  ).map(({ weights }) => weights);
  assert.deepEqual(usual, {
    input: 1000,
    cacheRead: 100,
    cacheWrite: 1250,
    output: 1000,
    reasoning: 1000,
    audio: 1000,
  });
  assert.deepEqual(own, { input: 1000, cacheRead: 0, cacheWrite: 1250, output: 4125, reasoning: 4125, audio: 1000 });
  assert.equal(tokens, null);
});

test('limit ids say what they limit, are unique, and keep the names chosen by hand', () => {
  const ids = limitsOf(
    '{ requests: 5/10s }',
    '{ inputTokens: 1k/minute }',
    '{ inputTokens: 5k/minute, per: organization }',
    '{ concurrency: 2, name: slots }',
    '{ cost: 1 USD/day, onExceed: report }',
  ).map(({ id }) => id);
  assert.deepEqual(ids, [
    't.requests-per-10s',
    't.input-tokens-per-minute',
    't.input-tokens-per-minute-2',
    't.slots',
    't.cost-per-day',
  ]);
});
