import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Hold } from '../../src/policy/counter.ts';
import { bucketFits, TokenBucket } from '../../src/policy/token-bucket.ts';
import { limitOf } from './limits.ts';

const rates = fc.record({
  amount: fc.integer({ min: 1, max: 50 }),
  windowMs: fc.integer({ min: 1, max: 500 }),
  burst: fc.integer({ min: 1, max: 60 }),
});

/** Arrivals, each settled after `settleIn` further arrivals with `actual` (at most what it took). */
const requests = fc.array(
  fc.record({
    gap: fc.nat(30),
    amount: fc.integer({ min: 1, max: 20 }),
    actual: fc.nat(20),
    settleIn: fc.integer({ min: 1, max: 12 }),
  }),
  { maxLength: 60, size: 'max' },
);

interface Admitted {
  readonly at: number;
  amount: number;
}

/** The debt of a bucket, in 1/windowMs of its unit, through which exactly `admitted` passed. */
function debtOf(admitted: readonly Admitted[], amount: number, windowMs: number, now: number): number {
  let debt = 0;
  let then = 0;
  for (const one of admitted) {
    debt = Math.max(0, debt - (one.at - then) * amount) + one.amount * windowMs;
    then = one.at;
  }
  return Math.max(0, debt - (now - then) * amount);
}

test('R28: after a refund the bucket owes what it would owe had the refunded part never been taken', () => {
  fc.assert(
    fc.property(rates, requests, ({ amount, windowMs, burst }, list) => {
      const bucket = new TokenBucket(amount, windowMs, burst, 0);
      const admitted: Admitted[] = [];
      const inFlight: { hold: Hold; settleIn: number; actual: number; record: Admitted }[] = [];
      let now = 0;
      for (const request of list) {
        now += request.gap;
        bucket.advance(now);
        for (const flight of inFlight.splice(0)) {
          if (--flight.settleIn > 0) inFlight.push(flight);
          else {
            flight.record.amount = Math.min(flight.actual, flight.hold.amount);
            flight.hold.settle(flight.record.amount, now);
          }
        }
        const debt = debtOf(admitted, amount, windowMs, now);
        assert.equal(bucket.remaining, Math.max(0, Math.floor((burst * windowMs - debt) / windowMs)));
        assert.equal(bucket.used + bucket.reserved, Math.ceil(debt / windowMs));
        if (bucket.passesAt(request.amount) > now) continue;
        const record = { at: now, amount: request.amount };
        admitted.push(record);
        inFlight.push({
          hold: bucket.take(request.amount),
          record,
          actual: request.actual,
          settleIn: request.settleIn,
        });
        assertWithinRate(admitted, amount, windowMs, burst);
      }
    }),
    { numRuns: 500 },
  );
});

/** Fails when any interval that ends with the last admission holds more than burst + rate x length. */
function assertWithinRate(admitted: readonly Admitted[], amount: number, windowMs: number, burst: number): void {
  const end = admitted.at(-1)!.at;
  let sum = 0;
  for (const one of admitted.toReversed()) {
    sum += one.amount;
    assert.ok(sum * windowMs <= burst * windowMs + amount * (end - one.at), `${sum} in ${end - one.at} ms`);
  }
}

test('R28: with more reserves in flight than marks are kept, the rate still holds', () => {
  const bucket = new TokenBucket(100, 1000, 1000, 0);
  const admitted: Admitted[] = [];
  const holds: Hold[] = [];
  for (let now = 0; now < 2000; now += 3) {
    bucket.advance(now);
    if (bucket.passesAt(5) <= now) {
      admitted.push({ at: now, amount: 5 });
      holds.push(bucket.take(5));
      assertWithinRate(admitted, 100, 1000, 1000);
    }
    if (holds.length < 150) continue;
    for (let index = admitted.length - holds.length; index < admitted.length; index++) admitted[index]!.amount = 1;
    for (const hold of holds.splice(0)) hold.settle(1, now);
  }
});

test('a bucket that was full after the reserve refunds nothing', () => {
  const bucket = new TokenBucket(1, 10, 5, 0);
  const slow = bucket.take(2);
  bucket.advance(100);
  bucket.take(5);
  slow.settle(0, 100);
  assert.equal(bucket.remaining, 0);
});

test('more use than was reserved is owed and paid by refill', () => {
  const bucket = new TokenBucket(1, 10, 5, 0);
  bucket.take(5).settle(8, 0);
  assert.deepEqual([bucket.used, bucket.remaining, bucket.emptyAt], [8, 0, 80]);
  assert.equal(bucket.passesAt(1), 40);
});

test('used and reserved tell settled use from requests in flight', () => {
  const bucket = new TokenBucket(10, 1000, 10, 0);
  bucket.take(4);
  bucket.take(3).settle(2, 0);
  assert.deepEqual([bucket.used, bucket.reserved, bucket.remaining], [2, 4, 4]);
  bucket.advance(550);
  assert.deepEqual([bucket.used, bucket.reserved, bucket.remaining], [0, 1, 9]);
});

test('a limit of 0 admits nothing, at any time', () => {
  const bucket = new TokenBucket(0, 60_000, 10, 0);
  assert.equal(bucket.passesAt(1), Number.POSITIVE_INFINITY);
  assert.equal(bucket.remaining, 0);
});

test('what may be counted exactly is known beforehand', () => {
  const month = 31 * 86_400_000;
  assert.ok(bucketFits(60, 60_000, 60));
  assert.ok(bucketFits(20_000_000_000, 86_400_000, 20_000_000_000));
  assert.ok(!bucketFits(20_000_003, month, 20_000_003));
});

test('another definition keeps what is owed, rounded against the caller', () => {
  const bucket = new TokenBucket(10, 1000, 10, 0);
  const hold = bucket.take(6);
  bucket.take(1);
  assert.ok(bucket.redefine(limitOf(30, { kind: 'tokenBucket', windowMs: 7000, burst: 30 })));
  assert.deepEqual([bucket.reserved, bucket.remaining], [7, 23]);
  hold.settle(0, 0);
  assert.equal(bucket.remaining, 29);
  assert.ok(!bucket.redefine(limitOf(1, { kind: 'concurrency', leaseMs: 1 })));
});

test('use from before a restart is owed but for what refill has paid since', () => {
  const bucket = new TokenBucket(10, 1000, 20, 5000);
  bucket.restore(10, 4500);
  bucket.restore(10, 1000);
  assert.equal(bucket.used, 5);
});
