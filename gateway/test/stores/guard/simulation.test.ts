/** R2 and R12 over random calls and random faults: whatever happens on the way, the books are right in the end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { amountOf, type BoundLimit } from '../../../src/policy/limit.ts';
import { turns } from '../../fakes/until.ts';
import { amounts, bind, demand, limitOf } from '../../policy/limits.ts';
import type { Fault } from './faulty-store.ts';
import { LEASE_MS, MINUTE, RECOVERY_MS, type Scene, scene, TIMEOUT_MS, yearly } from './scene.ts';

const LIMITS: readonly BoundLimit[] = [
  yearly('localShare', {}, 2000),
  yearly('closed', { dimension: 'cost' }, 1_000_000),
  yearly('open', { dimension: 'requests' }, 1_000_000),
  bind(limitOf(40, { kind: 'concurrency', leaseMs: LEASE_MS }, { id: 'parallel' })),
];

const ms = fc.oneof(fc.integer({ min: 1, max: TIMEOUT_MS }), fc.integer({ min: TIMEOUT_MS, max: 4000 }));
const faults: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ kind: 'none' as const }) },
  fc.constant({ kind: 'error' as const }),
  fc.constant({ kind: 'hang' as const }),
  fc.record({ kind: fc.constant('lost' as const), error: fc.boolean() }),
  fc.record({ kind: fc.constant('slow' as const), ms }),
  fc.record({ kind: fc.constant('late' as const), ms }),
  fc.constant({ kind: 'twice' as const }),
);

type Step =
  | { readonly kind: 'fault'; readonly fault: Fault }
  /** `which`: the first so many of the limits, in a turned order. */
  | { readonly kind: 'reserve'; readonly amount: number; readonly which: number; readonly turn: number }
  /** The `which`-th request that was refused tries again. */
  | { readonly kind: 'again'; readonly which: number }
  | { readonly kind: 'extend' | 'settle'; readonly which: number; readonly amount: number }
  | { readonly kind: 'charge'; readonly amount: number }
  | { readonly kind: 'renew' }
  | { readonly kind: 'advance'; readonly ms: number };

const amount = fc.nat(60);
const which = fc.nat(100);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('fault' as const), fault: faults }) },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('reserve' as const),
        amount,
        which: fc.integer({ min: 1, max: LIMITS.length }),
        turn: fc.nat(LIMITS.length - 1),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('again' as const), which }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('extend' as const), which, amount }) },
    { weight: 7, arbitrary: fc.record({ kind: fc.constant('settle' as const), which, amount }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('charge' as const), amount }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew' as const) }) },
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 900 }) }),
    },
  ),
  { minLength: 40, maxLength: 120 },
);

/** A request that was admitted and has not settled. */
interface InFlight {
  readonly id: string;
  readonly limits: readonly BoundLimit[];
  extensions: number;
}

/** Makes calls, and adds up by itself what the store has to have counted in the end. */
class Simulation {
  readonly used = new Map(LIMITS.map(({ counter }) => [counter, 0]));
  readonly inFlight: InFlight[] = [];
  readonly #refused: { readonly id: string; readonly limits: readonly BoundLimit[]; readonly amount: number }[] = [];
  decided = 0;
  asked = 0;
  readonly #at: Scene;

  constructor(at: Scene) {
    this.#at = at;
  }

  async take(step: Step, index: number): Promise<void> {
    const { guard, remote, pass } = this.#at;
    if (step.kind === 'fault') remote.fault = step.fault;
    else if (step.kind === 'advance') await pass(step.ms);
    else if (step.kind === 'reserve') this.#reserve(`r${index}`, step.amount, step.which, step.turn);
    else if (step.kind === 'again') {
      const [request] = this.#refused.splice(step.which % Math.max(1, this.#refused.length), 1);
      if (request !== undefined) this.#ask(request.id, request.limits, request.amount);
    } else if (step.kind === 'charge') {
      this.#count(LIMITS, step.amount);
      void guard.charge(`c${index}`, LIMITS, amounts(step.amount));
    } else if (step.kind === 'renew') void guard.renew(this.inFlight.map(({ id }) => id));
    else if (step.kind === 'extend') this.#extend(step.which, step.amount);
    else this.settle(step.which, step.amount);
    await turns(1);
  }

  settle(which: number, amount: number): void {
    const [request] = this.inFlight.splice(which % Math.max(1, this.inFlight.length), 1);
    if (request === undefined) return;
    this.#count(request.limits, amount);
    void this.#at.guard.settle(request.id, amounts(amount));
    // Whoever gives back on two exits does no harm.
    if (which % 5 === 0) void this.#at.guard.settle(request.id, amounts(amount + 1));
  }

  #reserve(id: string, amount: number, which: number, turn: number): void {
    this.#ask(id, [...LIMITS.slice(turn), ...LIMITS.slice(0, turn)].slice(0, which), amount);
  }

  #ask(id: string, limits: readonly BoundLimit[], amount: number): void {
    this.asked++;
    void Promise.resolve(this.#at.guard.reserve(id, limits, demand(amount))).then(({ admitted }) => {
      this.decided++;
      if (admitted) this.inFlight.push({ id, limits, extensions: 0 });
      else this.#refused.push({ id, limits, amount });
    });
  }

  #extend(which: number, amount: number): void {
    const request = this.inFlight[which % Math.max(1, this.inFlight.length)];
    if (request === undefined) return;
    request.extensions++;
    void this.#at.guard.extend(request.id, request.extensions, { ...amounts(amount), requests: 0 });
  }

  #count(limits: readonly BoundLimit[], amount: number): void {
    for (const { counter, limit } of limits) {
      if (limit.dimension === 'concurrency') continue;
      this.used.set(counter, this.used.get(counter)! + amountOf(limit, amounts(amount)));
    }
  }
}

test('R2 R12: after random faults the store counts exactly what was settled, nothing twice, nothing lost, and holds nothing', async () => {
  let outages = 0;
  let charged = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const at = scene();
      const simulation = new Simulation(at);
      for (const [index, step] of list.entries()) await simulation.take(step, index);
      await at.pass(TIMEOUT_MS);
      assert.equal(simulation.decided, simulation.asked, 'every reserve is decided in time');

      await at.restore();
      while (simulation.inFlight.length > 0) simulation.settle(0, simulation.inFlight.length);
      // What is still on its way arrives.
      await at.pass(RECOVERY_MS);
      assert.equal(at.guard.pending, 0);
      const states = at.remote.memory.read(LIMITS);
      assert.deepEqual(new Map(states.map(({ bound, used }) => [bound.counter, used])), simulation.used);
      assert.deepEqual(
        states.map(({ reserved }) => reserved),
        [0, 0, 0, 0],
      );
      assert.deepEqual([await at.guard.held(), at.guard.dropped], [0, 0]);
      outages += at.lines.length / 2;
      charged += at.remote.calls.filter((call) => call.endsWith('+here')).length;
    }),
    { numRuns: 300, seed: 12 },
  );
  assert.ok(outages > 200 && charged > 1000, `${outages} outages, ${charged} requests admitted here`);
});

test('R12: an outage longer than a minute and a gateway that never stops leave the books right', async () => {
  const at = scene();
  const simulation = new Simulation(at);
  for (let round = 0; round < 40; round++) {
    const fault: Fault = round % 2 === 0 ? { kind: 'hang' } : { kind: 'none' };
    await simulation.take({ kind: 'fault', fault }, round);
    for (let nth = 0; nth < 20; nth++) {
      const index = 1000 * (round + 1) + nth;
      await simulation.take({ kind: 'reserve', amount: nth % 7, which: 1 + (nth % 4), turn: nth % 3 }, index);
      if (nth % 2 === 1) await simulation.take({ kind: 'settle', which: nth, amount: nth % 5 }, index);
      await at.pass(MINUTE / 20);
    }
  }
  await at.restore();
  while (simulation.inFlight.length > 0) simulation.settle(0, 3);
  await at.pass(RECOVERY_MS);
  const states = at.remote.memory.read(LIMITS);
  assert.deepEqual(new Map(states.map(({ bound, used }) => [bound.counter, used])), simulation.used);
  assert.equal(await at.guard.held(), 0);
  assert.equal(at.lines.length, 40);
});
