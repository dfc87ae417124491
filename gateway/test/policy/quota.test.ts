import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calendarOf } from '../../src/policy/calendar.ts';
import { CALENDAR_START } from '../../src/policy/limit.ts';
import { Quota } from '../../src/policy/quota.ts';
import { limitOf } from './limits.ts';

const NOON = Date.parse('2026-10-25T12:00:00Z');
const MIDNIGHT_IN_PARIS = Date.parse('2026-10-25T23:00:00Z');
const daily = (amount: number) => new Quota(amount, calendarOf('day', 'Europe/Paris'), NOON);

test('R53: a reservation that spans the boundary settles into the period it was taken from', () => {
  const quota = daily(10);
  const hold = quota.take(8);
  quota.advance(MIDNIGHT_IN_PARIS);
  assert.deepEqual([quota.used, quota.reserved, quota.remaining], [0, 0, 10]);
  hold.settle(20, MIDNIGHT_IN_PARIS);
  assert.deepEqual([quota.used, quota.reserved, quota.remaining], [0, 0, 10]);
});

test('R53: a gateway that slept through several boundaries is in the right period at once', () => {
  const quota = daily(10);
  quota.take(10).settle(10, NOON);
  assert.equal(quota.passesAt(1), MIDNIGHT_IN_PARIS);
  quota.advance(NOON + 40 * 86_400_000);
  assert.equal(quota.remaining, 10);
});

test('use from before a restart counts when it is of this period', () => {
  const quota = daily(10);
  quota.restore(4, NOON - 3_600_000);
  quota.restore(5, NOON - 86_400_000);
  assert.equal(quota.used, 4);
});

test('a longer period carries the use so far over; a shorter one only what is in flight', () => {
  const quota = daily(10);
  quota.take(4).settle(4, NOON);
  const hold = quota.take(3);
  assert.ok(
    quota.redefine(
      limitOf(100, { kind: 'calendar', period: 'month', timeZone: 'Europe/Paris', start: CALENDAR_START }),
    ),
  );
  assert.deepEqual([quota.used, quota.reserved, quota.remaining], [4, 3, 93]);
  assert.ok(
    quota.redefine(limitOf(10, { kind: 'calendar', period: 'hour', timeZone: 'Europe/Paris', start: CALENDAR_START })),
  );
  assert.deepEqual([quota.used, quota.reserved, quota.remaining], [0, 3, 7]);
  hold.settle(1, NOON);
  assert.deepEqual([quota.used, quota.reserved, quota.remaining], [1, 0, 9]);
  assert.ok(!quota.redefine(limitOf(1, { kind: 'concurrency', leaseMs: 1 })));
});
