/**
 * Random limits and random steps for a limit store, and the oracle that says whether what it admitted was right. The oracle knows
 * every admission and nothing about algorithms.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { calendarOf } from '../../src/policy/calendar.ts';
import { type Amounts, amountOf, type BoundLimit, type Limit } from '../../src/policy/limit.ts';
import type { Decision, LimitState, LimitStore } from '../../src/stores/limit-store.ts';
import { amounts, bind, limitOf } from '../policy/limits.ts';

/** A store, empty, and the clock it goes by. */
export interface Harness {
  readonly store: LimitStore;
  now(): number;
  advance(ms: number): void | Promise<void>;
  /** Moves the wall clock, backwards when negative. */
  step(ms: number): void | Promise<void>;
}

const MOST_STEPS = 60;
const MOST_BACK_MS = 100_000;
/** The most that {@link drive} can set a clock back, in milliseconds. */
export const MOST_BEHIND_MS = MOST_STEPS * MOST_BACK_MS;

const small = fc.integer({ min: 1, max: 40 });
const algorithms: fc.Arbitrary<Limit> = fc.oneof(
  fc
    .record({ amount: small, windowMs: fc.integer({ min: 1, max: 5000 }) })
    .map(({ amount, windowMs }) => limitOf(amount, { kind: 'slidingWindow', windowMs })),
  fc
    .record({ amount: small, windowMs: fc.integer({ min: 1, max: 5000 }), burst: small })
    .map(({ amount, windowMs, burst }) => limitOf(amount, { kind: 'tokenBucket', windowMs, burst })),
  fc
    .record({ amount: small, timeZone: fc.constantFrom('UTC', 'Europe/Paris', 'Asia/Kolkata') })
    .map(({ amount, timeZone }) => limitOf(amount, { kind: 'calendar', period: 'minute', timeZone })),
  fc
    .record({ amount: fc.integer({ min: 1, max: 5 }), leaseMs: fc.integer({ min: 1, max: 5000 }) })
    .map(({ amount, leaseMs }) => limitOf(amount, { kind: 'concurrency', leaseMs })),
);
/** One to three limits that bind the same requests. */
export const limitLists = fc
  .array(algorithms, { minLength: 1, maxLength: 3 })
  .map((limits) => limits.map((limit, index) => bind({ ...limit, id: `limit-${index}` })));

export type Step =
  | { readonly kind: 'reserve'; readonly amount: number }
  /** Settles the `which`-th reservation in flight with `percent` of what it took. */
  | { readonly kind: 'settle'; readonly which: number; readonly percent: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'back'; readonly ms: number };

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('reserve' as const), amount: fc.nat(12) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('settle' as const), which: fc.nat(50), percent: fc.nat(150) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(2000) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('back' as const), ms: fc.nat(MOST_BACK_MS) }) },
  ),
  { maxLength: MOST_STEPS, size: 'max' },
);

interface Admission {
  readonly at: number;
  /** In `tokens`: what was reserved or, once settled, what was used. */
  amount: number;
  settledAt: number | null;
}

/** Fails when the admissions, of which the last one is new, break what the limit promises at its instant. */
function assertBound({ amount, algorithm }: Limit, admissions: readonly Admission[]): void {
  const { at: now } = admissions.at(-1)!;
  const sum = (counts: (one: Admission) => boolean) =>
    admissions.filter(counts).reduce((total, one) => total + one.amount, 0);
  switch (algorithm.kind) {
    case 'slidingWindow':
      assert.ok(sum(({ at }) => at > now - algorithm.windowMs) <= amount, 'more than the amount in one window');
      return;
    case 'tokenBucket':
      for (const { at: start } of admissions) {
        const most = algorithm.burst * algorithm.windowMs + amount * (now - start);
        assert.ok(sum(({ at }) => at >= start) * algorithm.windowMs <= most, 'more than burst and rate allow');
      }
      return;
    case 'calendar': {
      const { start } = calendarOf(algorithm.period, algorithm.timeZone).periodAt(now);
      assert.ok(sum(({ at }) => at >= start) <= amount, 'more than the amount in one period');
      return;
    }
    case 'concurrency': {
      const running = admissions.filter(({ at, settledAt }) => settledAt === null && at + algorithm.leaseMs > now);
      assert.ok(running.length <= amount, 'more than the amount at the same time');
    }
  }
}

/** Runs `list` against a store and checks every promise on the way. */
export async function drive(harness: Harness, limits: readonly BoundLimit[], list: readonly Step[]): Promise<void> {
  const { store } = harness;
  const admissions: Admission[] = [];
  const inFlight: { id: string; admission: Admission }[] = [];
  let latest = harness.now();
  for (const [index, step] of list.entries()) {
    if (step.kind === 'advance') await harness.advance(step.ms);
    else if (step.kind === 'back') await harness.step(-step.ms);
    latest = Math.max(latest, harness.now());
    if (step.kind === 'reserve') {
      const before = await store.read(limits);
      const decision = await store.reserve(`r${index}`, limits, amounts(step.amount));
      if (!decision.admitted) {
        assertRefusal(decision, limits, amounts(step.amount));
        assert.deepEqual(await store.read(limits), before, 'a refusal changes nothing');
        continue;
      }
      const admission = { at: latest, amount: step.amount, settledAt: null };
      admissions.push(admission);
      inFlight.push({ id: `r${index}`, admission });
      // Nothing asked for passes even where overage is outstanding.
      for (const { limit } of limits) {
        if (step.amount > 0 || limit.dimension === 'concurrency') assertBound(limit, admissions);
      }
    }
    if (step.kind === 'settle' && inFlight.length > 0) {
      const [{ id, admission }] = inFlight.splice(step.which % inFlight.length, 1) as [(typeof inFlight)[0]];
      admission.amount = Math.floor((admission.amount * step.percent) / 100);
      admission.settledAt = latest;
      assert.equal(await store.settle(id, amounts(admission.amount)), true);
      assert.equal(await store.settle(id, amounts(99)), false, 'settled once');
    }
    for (const state of await store.read(limits)) assertConsistent(state);
  }
}

function assertRefusal(decision: Decision, limits: readonly BoundLimit[], asked: Amounts): void {
  assert.ok(!decision.admitted);
  const { states, binding } = decision;
  const longest = Math.max(...states.map(({ retryAfterMs }) => retryAfterMs));
  assert.ok(longest > 0);
  assert.equal(states[binding]?.retryAfterMs, longest, 'the limit that binds longest is named');
  for (const [index, { limit }] of limits.entries()) {
    const passes = amountOf(limit.dimension, asked) <= (states[index]?.remaining ?? 0);
    assert.equal(states[index]?.retryAfterMs === 0, passes || amountOf(limit.dimension, asked) === 0);
  }
}

function assertConsistent({ bound, used, reserved, remaining, resetMs }: LimitState): void {
  const { amount, algorithm } = bound.limit;
  const most = algorithm.kind === 'tokenBucket' ? algorithm.burst : amount;
  for (const figure of [used, reserved, remaining, resetMs]) assert.ok(Number.isSafeInteger(figure) && figure >= 0);
  assert.equal(remaining, Math.max(0, most - used - reserved), 'used, reserved and remaining add up');
  assert.equal(resetMs === 0, used + reserved === 0);
}
