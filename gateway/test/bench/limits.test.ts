import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askers, hotKey, KEYS, population } from '../../bench/limits/population.ts';
import { storeTable } from '../../bench/limits/report.ts';
import { STORE_SCENARIOS } from '../../bench/limits/run.ts';
import { type Reading, rowsOf, type StoreOutcome } from '../../bench/limits/scenario.ts';
import { promises } from '../../bench/report.ts';
import { judgeStores } from '../../bench/targets.ts';

const reading = (round: number, row: string, figures: Reading['figures'], failures = 0): Reading => ({
  round,
  row,
  figures,
  failures,
});

function outcome(scenario: string, readings: readonly Reading[]): StoreOutcome {
  return { scenario, absent: null, readings, rows: rowsOf(readings) };
}

test('a round with a decision that was not as expected is counted and left out of every figure', () => {
  const [row] = rowsOf([
    reading(1, '1 limit', { 'CPU-us/limit': 1 }),
    reading(2, '1 limit', { 'CPU-us/limit': 3 }),
    reading(3, '1 limit', { 'CPU-us/limit': 0.1 }, 5),
  ]);
  assert.deepEqual(row, {
    row: '1 limit',
    figures: { 'CPU-us/limit': { median: 2, least: 1, most: 3 } },
    failures: 5,
  });
});

test('a promise of at least so many is reached from there on, one of at most so many up to there', () => {
  const stores = (perCore: number, cpuUs: number) => [
    outcome('limits-memory', [reading(1, '12 limits', { 'CPU-us/limit': cpuUs })]),
    outcome('limits-redis', [reading(1, '12 limits, 32 at a time', { 'reserves/s/core': perCore, 'round trips': 2 })]),
  ];
  const reached = (perCore: number, cpuUs: number) =>
    judgeStores(stores(perCore, cpuUs))
      .filter((target) => target.measured !== null)
      .map((target) => target.reached);
  assert.deepEqual(reached(10_000, 2), [true, true, true]);
  assert.deepEqual(reached(9_999, 2.01), [false, false, true]);
  assert.match(promises(judgeStores(stores(9_999, 1))), /at least 10000 +9999 +NOT REACHED/);
});

test('a scenario that cannot run here is named with its reason, and so is every promise it would have judged', () => {
  const [, redis] = STORE_SCENARIOS;
  const absent: StoreOutcome = { scenario: 'limits-redis', absent: 'no Redis', readings: [], rows: [] };
  assert.match(storeTable(redis!, absent), /limits in Redis.*absent: no Redis/);
  assert.ok(judgeStores([absent]).every(({ reached }) => reached === null));
});

test('a key is under as many limits as are asked for, of which those of its organization are shared with others', () => {
  for (const count of [1, 4, 12]) assert.equal(population(count, 1)[0]!.length, count);
  const keys = population(12, 10_001);
  const counters = (key: number) => new Set(keys[key]!.map(({ counter }) => counter));
  assert.equal(counters(0).size, 12);
  assert.equal(counters(0).intersection(counters(1)).size, 4, 'the tier');
  assert.equal(counters(0).intersection(counters(10_000)).size, 8, 'the tier and the organization');
});

test('keys ask unequally often, and all may ask', () => {
  const often = new Map<number, number>();
  for (const key of askers(100_000)) {
    assert.ok(key >= 0 && key < KEYS);
    often.set(key, (often.get(key) ?? 0) + 1);
  }
  const most = [...often.values()].sort((a, b) => b - a);
  assert.ok(most[0]! > 3_000 && often.size > 10_000, `${most[0]} of the first, ${often.size} keys`);
});

test('a hot key can be under leased limits alone', () => {
  const limits = hotKey('web', 'leased', 3, 100);
  assert.deepEqual(
    limits.map(({ limit }) => [limit.dimension, limit.sharing]),
    [
      ['requests', 'leased'],
      ['tokens', 'leased'],
      ['cost', 'leased'],
    ],
  );
  assert.equal(limits[0]!.limit.amount, 100);
});
