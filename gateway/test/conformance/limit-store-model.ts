/** Random limits and random steps for a limit store, each checked on the way against the oracle. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Demand, exactly } from '../../src/policy/demand.ts';
import {
  type Amounts,
  amountOf,
  type BoundLimit,
  CALENDAR_START,
  capacityOf,
  type Limit,
} from '../../src/policy/limit.ts';
import type { Decision, LimitState, LockingStore } from '../../src/stores/limit-store.ts';
import { bind, limitOf } from '../policy/limits.ts';
import { type Admission, assertBound, assertEverywhere } from './limit-store-oracle.ts';

/** A store, empty, and the clock it goes by. */
export interface Harness {
  readonly store: LockingStore;
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
    .record({ amount: small, windowMs: fc.integer({ min: 1, max: 5000 }), burst: small })
    .map(({ amount, windowMs, burst }) => limitOf(amount, { kind: 'leakyBucket', windowMs, burst })),
  fc
    .record({ amount: small, timeZone: fc.constantFrom('UTC', 'Europe/Paris', 'Asia/Kolkata') })
    .map(({ amount, timeZone }) =>
      limitOf(amount, { kind: 'calendar', period: 'minute', timeZone, start: CALENDAR_START }),
    ),
  fc
    .record({ amount: fc.integer({ min: 1, max: 5 }), leaseMs: fc.integer({ min: 1, max: 5000 }) })
    .map(({ amount, leaseMs }) => limitOf(amount, { kind: 'concurrency', leaseMs })),
);
/** One to three limits that bind the same requests. */
export const limitLists = fc
  .array(algorithms, { minLength: 1, maxLength: 3 })
  .map((limits) => limits.map((limit, index) => bind({ ...limit, id: `limit-${index}` })));

export type Step =
  /** `estimated` of the amount is output that nobody capped. */
  | { readonly kind: 'reserve'; readonly amount: number; readonly estimated: number }
  | { readonly kind: 'extend'; readonly which: number; readonly amount: number }
  /** Settles the `which`-th reservation in flight with `percent` of what it wanted. */
  | { readonly kind: 'settle'; readonly which: number; readonly percent: number }
  | { readonly kind: 'charge'; readonly amount: number }
  | { readonly kind: 'lock'; readonly wanted: number; readonly needed: number }
  /** Unlocks the `which`-th lock; its units were used `early`, right after the lock, or just now. */
  | { readonly kind: 'unlock'; readonly which: number; readonly percent: number; readonly early: boolean }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'back'; readonly ms: number };

function stepsOf(percent: fc.Arbitrary<number>, charges: number, locks: number): fc.Arbitrary<Step[]> {
  return fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constant('reserve' as const), amount: fc.nat(12), estimated: fc.nat(6) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('extend' as const), which: fc.nat(50), amount: fc.nat(5) }),
      },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('settle' as const), which: fc.nat(50), percent }) },
      { weight: charges, arbitrary: fc.record({ kind: fc.constant('charge' as const), amount: fc.nat(5) }) },
      {
        weight: locks,
        arbitrary: fc.record({ kind: fc.constant('lock' as const), wanted: fc.nat(9), needed: fc.nat(4) }),
      },
      {
        weight: locks,
        arbitrary: fc.record({
          kind: fc.constant('unlock' as const),
          which: fc.nat(50),
          percent: fc.nat(100),
          early: fc.boolean(),
        }),
      },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(2000) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('back' as const), ms: fc.nat(MOST_BACK_MS) }) },
    ),
    { maxLength: MOST_STEPS, size: 'max' },
  );
}

export const steps = stepsOf(fc.nat(150), 1, 0);
/** Every kind of step. */
export const anySteps = stepsOf(fc.nat(150), 1, 1);
/** Steps in which nothing uses more than it took. */
export const measuredSteps = stepsOf(fc.nat(100), 0, 2);

/** `estimated` of `amount` tokens are output that nobody capped; the rest is input, half of it certain. */
export function demandOf(amount: number, estimated: number): Demand {
  const output = Math.min(amount, estimated);
  const input = amount - output;
  const of = (inputTokens: number, outputTokens: number): Amounts => ({
    requests: 1,
    inputTokens,
    outputTokens,
    cost: 0,
    parts: null,
  });
  if (estimated === 0) return exactly(of(input, 0));
  return { wanted: of(input, output), needed: of(input, 0), certain: of(Math.floor(input / 2), 0) };
}

interface InFlight {
  readonly id: string;
  readonly demand: Demand;
  /** What was taken, extensions behind what they extend. */
  readonly pieces: Admission[];
}

interface Locked {
  readonly id: string;
  readonly limits: readonly BoundLimit[];
  readonly at: number;
  readonly taken: readonly number[];
}

/** One run of steps against a store. */
class Run {
  readonly #harness: Harness;
  readonly #limits: readonly BoundLimit[];
  readonly #lockable: readonly BoundLimit[];
  readonly #admissions: Admission[] = [];
  readonly #inFlight: InFlight[] = [];
  readonly #locked: Locked[] = [];
  #latest: number;

  constructor(harness: Harness, limits: readonly BoundLimit[]) {
    this.#harness = harness;
    this.#limits = limits;
    this.#lockable = limits.filter(({ limit }) => isLockable(limit));
    this.#latest = harness.now();
  }

  async take(step: Step, index: number): Promise<void> {
    const { store } = this.#harness;
    if (step.kind === 'advance') await this.#harness.advance(step.ms);
    else if (step.kind === 'back') await this.#harness.step(-step.ms);
    this.#latest = Math.max(this.#latest, this.#harness.now());
    if (step.kind === 'reserve') await this.#reserve(`r${index}`, demandOf(step.amount, step.estimated));
    else if (step.kind === 'charge') await this.#charge(`c${index}`, exactly(demandOf(step.amount, 0).wanted).wanted);
    else if (step.kind === 'lock') await this.#lock(`l${index}`, step.wanted, step.needed);
    else if (step.kind === 'extend' && this.#inFlight.length > 0) await this.#extend(step.which, step.amount);
    else if (step.kind === 'settle' && this.#inFlight.length > 0) await this.#settle(step.which, step.percent);
    else if (step.kind === 'unlock' && this.#locked.length > 0) await this.#unlock(step);
    for (const state of await store.read(this.#limits)) assertConsistent(state);
  }

  async #reserve(id: string, demand: Demand): Promise<void> {
    const { store } = this.#harness;
    const limits = this.#limits;
    const before = await store.read(limits);
    const decision = await store.reserve(id, limits, demand);
    if (!decision.admitted) {
      assertRefusal(decision, limits, demand.needed, demand.certain);
      assert.deepEqual(await store.read(limits), before, 'a refusal changes nothing');
      return;
    }
    for (const [index, state] of decision.states.entries()) {
      const wanted = amountOf(state.bound.limit, demand.wanted);
      assert.ok(state.taken <= wanted, 'no more is taken than is wanted');
      if (state.taken < wanted) assert.equal(state.remaining, 0, 'all there is is taken before less than wanted is');
      assert.ok(state.taken <= before[index]!.remaining || amountOf(state.bound.limit, demand.wanted) === 0);
    }
    const piece = this.#admit(decision.states, decision.delayMs);
    this.#inFlight.push({ id, demand, pieces: [piece] });
  }

  async #extend(which: number, amount: number): Promise<void> {
    const { id, pieces } = this.#inFlight[which % this.#inFlight.length]!;
    const { store } = this.#harness;
    const before = await store.read(this.#limits);
    const more: Amounts = { requests: 0, inputTokens: 0, outputTokens: amount, cost: 0, parts: null };
    const step = pieces.length;
    const decision = await store.extend(id, step, more);
    if (decision === null) return;
    if (!decision.admitted) {
      assert.deepEqual(await store.read(this.#limits), before, 'a refused extension changes nothing');
      return;
    }
    assert.deepEqual(await store.extend(id, step, more), decision, 'a repeated extension takes nothing more');
    if (amount > 0) pieces.push(this.#admit(decision.states, null));
    else
      pieces.push({
        at: this.#latest,
        startsAt: this.#latest,
        shaped: false,
        amounts: this.#limits.map(() => 0),
        over: true,
        overage: false,
      });
  }

  /** `delayMs` is null for an extension: what runs already is not shaped. */
  #admit(states: readonly LimitState[], delayMs: number | null): Admission {
    const amounts = states.map(({ taken }) => taken);
    const piece: Admission = {
      at: this.#latest,
      // A wait that is told includes the time in which the clock catches up.
      startsAt: delayMs ? this.#harness.now() + delayMs : this.#latest,
      shaped: delayMs !== null,
      amounts,
      over: false,
      overage: false,
    };
    this.#admissions.push(piece);
    this.#limits.forEach(({ limit }, index) => {
      // Nothing asked for passes even where overage is outstanding.
      if (amounts[index]! > 0) assertBound(this.#limits, limit, index, this.#admissions);
    });
    return piece;
  }

  async #settle(which: number, percentOf: number): Promise<void> {
    const [{ id, demand, pieces }] = this.#inFlight.splice(which % this.#inFlight.length, 1) as [InFlight];
    const { store } = this.#harness;
    const tokens = Math.floor((demand.wanted.inputTokens + demand.wanted.outputTokens) * percentOf * 0.01);
    const actual: Amounts = { requests: 1, inputTokens: tokens, outputTokens: 0, cost: 0, parts: null };
    this.#limits.forEach(({ limit }, index) => {
      distribute(pieces, index, amountOf(limit, actual));
    });
    for (const piece of pieces) piece.over = true;
    if (!(await store.settle(id, actual))) return;
    assert.equal(await store.settle(id, actual), false, 'settled once');
  }

  async #charge(id: string, actual: Amounts): Promise<void> {
    const { store } = this.#harness;
    assert.equal(await store.charge(id, this.#limits, actual), true);
    assert.equal(await store.charge(id, this.#limits, actual), false, 'charged once');
    const amounts = this.#limits.map(({ limit }) => (limit.dimension === 'concurrency' ? 0 : amountOf(limit, actual)));
    this.#admissions.push({
      at: this.#latest,
      startsAt: this.#latest,
      shaped: false,
      amounts,
      over: true,
      overage: true,
    });
  }

  async #lock(id: string, wanted: number, needed: number): Promise<void> {
    const limits = this.#lockable;
    if (limits.length === 0) return;
    const { store } = this.#harness;
    const all = (amount: number) => limits.map(() => amount);
    const decision = await store.lock(id, limits, all(Math.max(wanted, needed)), all(needed));
    if (!decision.admitted) return;
    this.#locked.push({ id, limits, at: this.#latest, taken: decision.states.map(({ taken }) => taken) });
  }

  async #unlock({ which, percent: share, early }: Extract<Step, { kind: 'unlock' }>): Promise<void> {
    const [{ id, limits, at, taken }] = this.#locked.splice(which % this.#locked.length, 1) as [Locked];
    const used = taken.map((amount) => Math.floor((amount * share) / 100));
    if (!(await this.#harness.store.unlock(id, used))) return;
    const amounts = this.#limits.map((bound) => used[limits.indexOf(bound)] ?? 0);
    const instant = early ? at : this.#latest;
    const spent: Admission = { at: instant, startsAt: instant, shaped: false, amounts, over: true, overage: false };
    const behind = this.#admissions.findIndex((other) => other.at > instant);
    this.#admissions.splice(behind < 0 ? this.#admissions.length : behind, 0, spent);
    for (const [index, { limit }] of this.#limits.entries()) {
      if (amounts[index]! > 0) assertEverywhere(this.#limits, limit, index, this.#admissions);
    }
  }
}

function isLockable({ algorithm }: Limit): boolean {
  return algorithm.kind !== 'concurrency' && algorithm.kind !== 'leakyBucket';
}

/** Puts what was used in the place of what was taken: the earliest piece first, what is over on the latest. */
function distribute(pieces: readonly Admission[], index: number, actual: number): void {
  const holding = pieces.filter(({ amounts }, nth) => nth === 0 || amounts[index]! > 0);
  let rest = actual;
  for (const [nth, piece] of holding.entries()) {
    const share = nth === holding.length - 1 ? rest : Math.min(rest, piece.amounts[index]!);
    if (share > piece.amounts[index]!) piece.overage = true;
    piece.amounts[index] = share;
    rest -= share;
  }
}

/** Runs `list` against a store and checks every promise on the way. */
export async function drive(harness: Harness, limits: readonly BoundLimit[], list: readonly Step[]): Promise<void> {
  const run = new Run(harness, limits);
  for (const [index, step] of list.entries()) await run.take(step, index);
}

function assertRefusal(decision: Decision, limits: readonly BoundLimit[], needed: Amounts, certain: Amounts): void {
  assert.ok(!decision.admitted);
  const { states, binding } = decision;
  const longest = Math.max(...states.map(({ retryAfterMs }) => retryAfterMs));
  assert.ok(longest > 0);
  assert.equal(states[binding]?.retryAfterMs, longest, 'the limit that binds longest is named');
  for (const [index, { limit }] of limits.entries()) {
    const capacity = capacityOf(limit);
    const fits = amountOf(limit, certain) <= capacity;
    const asked = fits ? Math.min(amountOf(limit, needed), capacity) : amountOf(limit, needed);
    const state = states[index]!;
    assert.equal(state.taken, 0);
    assert.equal(state.retryAfterMs === 0, asked <= state.remaining || asked === 0);
    if (needed !== certain) assert.equal(state.retryAfterMs === Number.POSITIVE_INFINITY, !fits);
  }
}

function assertConsistent({ bound, used, reserved, remaining, taken, resetMs }: LimitState): void {
  for (const figure of [used, reserved, remaining, resetMs]) assert.ok(Number.isSafeInteger(figure) && figure >= 0);
  const most = capacityOf(bound.limit);
  assert.equal(remaining, Math.max(0, most - used - reserved), 'used, reserved and remaining add up');
  assert.equal(resetMs === 0, used + reserved === 0);
  assert.equal(taken, 0);
}
