/** Says whether what a store admitted keeps what its limits promise. Knows every admission, and nothing of how they are counted. */
import assert from 'node:assert/strict';
import { calendarOf } from '../../src/policy/calendar.ts';
import type { BoundLimit, Limit } from '../../src/policy/limit.ts';

/** Something that was let through. */
export interface Admission {
  readonly at: number;
  /** Later than `at` where a leaky bucket delayed it. */
  readonly startsAt: number;
  /** Whether leaky buckets decided when it starts. */
  readonly shaped: boolean;
  /** By limit: what was taken or, once it is over, what was used. */
  readonly amounts: number[];
  over: boolean;
  /** Whether more was used than was taken, so that it may have broken a promise later than at its own instant. */
  overage: boolean;
}

/** Fails when the admissions, of which the last one is new, break what the limit at `index` promises at its instant. */
export function assertBound(
  limits: readonly BoundLimit[],
  { amount, algorithm }: Limit,
  index: number,
  admissions: readonly Admission[],
): void {
  const newest = admissions.at(-1)!;
  const now = newest.at;
  const sum = (counts: (one: Admission) => boolean) =>
    admissions.filter(counts).reduce((total, one) => total + one.amounts[index]!, 0);
  switch (algorithm.kind) {
    case 'slidingWindow':
      assert.ok(sum(({ at }) => at > now - algorithm.windowMs) <= amount, 'more than the amount in one window');
      return;
    case 'leakyBucket':
      assertShaped(limits, admissions, sum, amount, algorithm.windowMs);
      assertBucket(admissions, sum, now, { ...algorithm, amount });
      return;
    case 'tokenBucket':
      assertBucket(admissions, sum, now, { ...algorithm, amount });
      return;
    case 'calendar': {
      const { start } = calendarOf(algorithm.period, algorithm.timeZone, algorithm.start).periodAt(now);
      assert.ok(sum(({ at }) => at >= start) <= amount, 'more than the amount in one period');
      return;
    }
    case 'concurrency': {
      const running = admissions.filter(
        ({ at, over, amounts }) => !over && amounts[index]! > 0 && at + algorithm.leaseMs > now,
      );
      assert.ok(running.length <= amount, 'more than the amount at the same time');
    }
  }
}

/** The same at the instant of every admission, for when one became known late. Says nothing where there is overage. */
export function assertEverywhere(
  limits: readonly BoundLimit[],
  limit: Limit,
  index: number,
  admissions: readonly Admission[],
): void {
  if (admissions.some(({ overage }) => overage)) return;
  for (let count = 1; count <= admissions.length; count++) {
    const first = admissions.slice(0, count);
    if (first.at(-1)!.amounts[index]! > 0) assertBound(limits, limit, index, first);
  }
}

type Sum = (counts: (one: Admission) => boolean) => number;

function assertBucket(
  admissions: readonly Admission[],
  sum: Sum,
  now: number,
  { amount, windowMs, burst }: { amount: number; windowMs: number; burst: number },
): void {
  for (const { at: start } of admissions) {
    const most = burst * windowMs + amount * (now - start);
    assert.ok(sum(({ at }) => at >= start) * windowMs <= most, 'more than burst and rate allow');
  }
}

/** What starts from any start until the newest one, itself not counted, has been paid for by then. */
function assertShaped(
  limits: readonly BoundLimit[],
  admissions: readonly Admission[],
  sum: Sum,
  amount: number,
  windowMs: number,
): void {
  // Each leaky bucket has its own schedule; which one delayed a request is not told.
  if (limits.filter(({ limit }) => limit.algorithm.kind === 'leakyBucket').length > 1) return;
  const newest = admissions.at(-1)!;
  if (!newest.shaped) return;
  for (const { startsAt: start } of admissions) {
    if (start > newest.startsAt) continue;
    const begun = sum((one) => one !== newest && one.startsAt >= start && one.startsAt <= newest.startsAt);
    // Each start is rounded up to a whole millisecond.
    assert.ok(begun * windowMs < amount * (newest.startsAt - start + 1), 'more than the rate starts');
  }
}
