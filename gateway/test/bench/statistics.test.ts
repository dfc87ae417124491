import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { percentile, seeded, shuffled, spreadOf } from '../../bench/statistics.ts';

test('a percentile is the nearest rank', () => {
  const sorted = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  assert.equal(percentile(sorted, 0), 1);
  assert.equal(percentile(sorted, 0.5), 5);
  assert.equal(percentile(sorted, 0.99), 10);
  assert.equal(percentile(sorted, 1), 10);
  assert.equal(percentile([7], 0.5), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test('at least the stated fraction of the values is not above a percentile', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), fc.integer({ min: 0, max: 100 }), (values, percent) => {
      const sorted = values.toSorted((a, b) => a - b);
      const found = percentile(sorted, percent / 100);
      assert.ok(sorted.includes(found));
      assert.ok(sorted.filter((value) => value <= found).length * 100 >= percent * sorted.length);
    }),
  );
});

test('a spread is the median with its range, and null for nothing', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, least: 1, most: 3 });
  assert.deepEqual(spreadOf([4, 1, 2, 3]), { median: 2.5, least: 1, most: 4 });
  assert.equal(spreadOf([]), null);
});

test('a shuffle keeps every item, and the same seed gives the same order', () => {
  const items = ['direct', 'floor', 'nginx', 'portkey', 'headgate'];
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const order = shuffled(items, seeded(seed));
      assert.deepEqual(order.toSorted(), items.toSorted());
      assert.deepEqual(order, shuffled(items, seeded(seed)));
    }),
  );
});
