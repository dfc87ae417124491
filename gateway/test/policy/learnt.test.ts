import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LearntModel } from '../../src/policy/learnt.ts';

test('the ratio of bytes to tokens follows what providers report', () => {
  const learnt = new LearntModel();
  assert.equal(learnt.milliBytesPerToken, 4000);
  for (let count = 0; count < 200; count++) learnt.input(3000, 1000);
  assert.ok(Math.abs(learnt.milliBytesPerToken - 3000) <= 16);
});

test('a provider that reports nonsense moves the ratio to its bounds and no further', () => {
  const learnt = new LearntModel();
  for (let count = 0; count < 500; count++) learnt.input(1, 1_000_000);
  assert.ok(learnt.milliBytesPerToken >= 500);
  for (let count = 0; count < 500; count++) learnt.input(1_000_000_000, 1);
  assert.ok(learnt.milliBytesPerToken <= 16_000);
});

test('nothing is said of the 95th percentile before 20 answers', () => {
  const learnt = new LearntModel();
  for (let count = 0; count < 19; count++) learnt.output(10);
  assert.equal(learnt.p95, null);
  learnt.output(10);
  assert.notEqual(learnt.p95, null);
});

test('95 of 100 answers stay below the 95th percentile, which is at most a quarter too high', () => {
  const answers = fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 20, maxLength: 400 });
  fc.assert(
    fc.property(answers, (list) => {
      const learnt = new LearntModel();
      for (const tokens of list) learnt.output(tokens);
      const p95 = learnt.p95!;
      assert.ok(Number.isSafeInteger(p95));
      const above = list.filter((tokens) => tokens > p95).length;
      assert.ok(above <= list.length * 0.05, 'too low');
      const sorted = list.toSorted((a, b) => a - b);
      const exact = sorted[sorted.length - 1 - Math.floor(list.length * 0.05)]!;
      assert.ok(p95 <= Math.max(1, exact * 1.25), `${p95} for ${exact}`);
    }),
  );
});

test('old answers are forgotten by halves', () => {
  const learnt = new LearntModel();
  for (let count = 0; count < 2000; count++) learnt.output(10_000);
  for (let count = 0; count < 20_000; count++) learnt.output(10);
  assert.ok(learnt.p95! < 13);
});
