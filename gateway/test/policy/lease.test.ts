import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Leases } from '../../src/policy/lease.ts';
import { limitOf } from './limits.ts';

test('R13: a lease that is not renewed expires to the millisecond, one that is renewed does not', () => {
  const leases = new Leases(2, 100, 0);
  const alive = leases.take();
  leases.take();
  alive.renew(60);
  assert.equal(leases.passesAt(), 100);
  leases.advance(99);
  assert.equal(leases.remaining, 0);
  leases.advance(100);
  assert.deepEqual([leases.reserved, leases.remaining, leases.emptyAt], [1, 1, 160]);
});

test('R13: a holder that renews late takes its place again, and releases it once', () => {
  const leases = new Leases(1, 100, 0);
  const late = leases.take();
  leases.advance(200);
  assert.equal(leases.remaining, 1);
  late.renew(200);
  assert.equal(leases.remaining, 0);
  late.settle(1, 250);
  assert.equal(leases.remaining, 1);
  assert.ok(leases.idle);
});

test('R13: an expired lease that is released gives no place back twice', () => {
  const leases = new Leases(2, 100, 0);
  const late = leases.take();
  leases.advance(150);
  leases.take();
  late.settle(1, 160);
  assert.equal(leases.reserved, 1);
});

test('a smaller limit refuses until enough leases have ended', () => {
  const leases = new Leases(3, 100, 0);
  for (const now of [0, 10, 20]) {
    leases.advance(now);
    leases.take();
  }
  assert.ok(leases.redefine(limitOf(1, { kind: 'concurrency', leaseMs: 100 })));
  assert.equal(leases.passesAt(), 120);
  assert.ok(leases.redefine(limitOf(2, { kind: 'concurrency', leaseMs: 50 })));
  assert.equal(leases.passesAt(), 70);
  assert.ok(!leases.redefine(limitOf(1, { kind: 'slidingWindow', windowMs: 1 })));
});

test('a limit of 0 admits nothing, at any time', () => {
  assert.equal(new Leases(0, 100, 0).passesAt(), Number.POSITIVE_INFINITY);
});
