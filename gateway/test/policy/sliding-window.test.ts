import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlidingWindow } from '../../src/policy/sliding-window.ts';
import { limitOf } from './limits.ts';

const arrivals = (most: number) =>
  fc.array(fc.record({ gap: fc.nat(40), amount: fc.integer({ min: 1, max: 8 }) }), { maxLength: most, size: 'max' });

test('R28: no interval of one window, at any alignment, holds more than the amount, in coarse slots too', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 60, max: 3000 }),
      fc.integer({ min: 8, max: 400 }),
      arrivals(400),
      (windowMs, cap, list) => {
        const window = new SlidingWindow(cap, windowMs, 0);
        const admitted: { at: number; amount: number }[] = [];
        let now = 0;
        for (const { gap, amount } of list) {
          now += gap;
          window.advance(now);
          if (window.passesAt(amount) > now) continue;
          window.take(amount);
          admitted.push({ at: now, amount });
          const inWindow = admitted.filter(({ at }) => at > now - windowMs).reduce((sum, one) => sum + one.amount, 0);
          assert.ok(inWindow <= cap, `${inWindow} of ${cap}`);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('R28: up to 64 admissions in a window, refusals are exact: nothing that fits is refused', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 8, max: 60 }),
      arrivals(60),
      (windowMs, cap, list) => {
        const window = new SlidingWindow(cap, windowMs, 0);
        const admitted: { at: number; amount: number }[] = [];
        let now = 0;
        for (const { gap, amount } of list) {
          now += gap;
          window.advance(now);
          const inWindow = admitted.filter(({ at }) => at > now - windowMs).reduce((sum, one) => sum + one.amount, 0);
          assert.equal(window.passesAt(amount) <= now, inWindow + amount <= cap);
          assert.equal(window.remaining, cap - inWindow);
          if (inWindow + amount > cap) continue;
          window.take(amount);
          admitted.push({ at: now, amount });
        }
      },
    ),
  );
});

test('a window keeps at most 130 slots however much passes', () => {
  const window = new SlidingWindow(Number.MAX_SAFE_INTEGER, 60_000, 0);
  let most = 0;
  for (let now = 0; now < 300_000; now += 7) {
    window.advance(now);
    window.take(1);
    most = Math.max(most, window.slots);
  }
  assert.ok(most > 64 && most <= 130, `${most} slots`);
});

test('a correction lands in the slot it was taken from, and nowhere when that has left', () => {
  const window = new SlidingWindow(10, 100, 0);
  const early = window.take(6);
  window.advance(50);
  const late = window.take(4);
  late.settle(1, 60);
  assert.deepEqual([window.used, window.reserved, window.remaining], [1, 6, 3]);
  window.advance(100);
  early.settle(20, 100);
  assert.deepEqual([window.used, window.reserved, window.remaining], [1, 0, 9]);
  assert.equal(window.emptyAt, 150);
});

test('a refund of everything leaves nothing to wait for', () => {
  const window = new SlidingWindow(10, 100, 0);
  const first = window.take(3);
  window.advance(10);
  const second = window.take(4);
  second.settle(0, 20);
  assert.equal(window.emptyAt, 100);
  first.settle(0, 20);
  assert.equal(window.emptyAt, 20);
});

test('use from before a restart counts until it is one window old, in whatever order it is restored', () => {
  const window = new SlidingWindow(10, 100, 1000);
  window.restore(2, 990);
  window.restore(3, 950);
  window.restore(5, 900);
  assert.equal(window.used, 5);
  window.advance(1050);
  assert.equal(window.used, 2);
  window.advance(1090);
  assert.ok(window.idle);
});

test('another definition counts what was used under the former one', () => {
  const window = new SlidingWindow(10, 100, 0);
  window.take(8);
  window.advance(50);
  window.take(2);
  assert.ok(window.redefine(limitOf(20, { kind: 'slidingWindow', windowMs: 40 })));
  assert.equal(window.remaining, 18);
  assert.ok(!window.redefine(limitOf(20, { kind: 'concurrency', leaseMs: 1 })));
});
