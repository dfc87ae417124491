import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { amountOf, type BoundLimit, CALENDAR_START, type Limit } from '../../../src/policy/limit.ts';
import { type Admission, assertBound } from '../../conformance/limit-store-oracle.ts';
import { turns } from '../../fakes/until.ts';
import { amounts, bind, demand, limitOf } from '../../policy/limits.ts';
import { Processes } from './processes.ts';

const PROCESSES = 3;
const LEASE_MS = 10_000;

const amount = fc.integer({ min: 1, max: 60 });
const windowMs = fc.integer({ min: 1, max: 6000 });
const leased: fc.Arbitrary<Limit> = fc.oneof(
  fc.record({ amount, windowMs }).map((one) => limitOf(one.amount, { kind: 'slidingWindow', windowMs: one.windowMs })),
  fc
    .record({ amount, windowMs, burst: amount })
    .map((one) => limitOf(one.amount, { kind: 'tokenBucket', windowMs: one.windowMs, burst: one.burst })),
  fc
    .record({ amount, timeZone: fc.constantFrom('UTC', 'Asia/Kolkata') })
    .map((one) =>
      limitOf(one.amount, { kind: 'calendar', period: 'minute', timeZone: one.timeZone, start: CALENDAR_START }),
    ),
);
/** What is decided by the store however it is shared. */
const notLeased: fc.Arbitrary<Limit> = fc.oneof(
  fc
    .record({ amount, windowMs, burst: amount })
    .map((one) => limitOf(one.amount, { kind: 'leakyBucket', windowMs: one.windowMs, burst: one.burst })),
  fc
    .record({ amount: fc.integer({ min: 1, max: 4 }) })
    .map((one) => limitOf(one.amount, { kind: 'concurrency', leaseMs: LEASE_MS })),
);

const limitsOf = (limit: fc.Arbitrary<Limit>) =>
  fc
    .array(limit, { minLength: 1, maxLength: 3 })
    .map((limits) => limits.map((one, index) => bind({ ...one, sharing: 'leased', id: `limit-${index}` })));

type Step =
  | { readonly kind: 'reserve'; readonly process: number; readonly amount: number }
  | { readonly kind: 'settle'; readonly which: number; readonly percent: number }
  | { readonly kind: 'extend'; readonly which: number; readonly amount: number }
  | { readonly kind: 'renew' }
  | { readonly kind: 'crash'; readonly process: number }
  | { readonly kind: 'advance'; readonly ms: number };

const constant = <Kind extends string>(kind: Kind) => fc.constant(kind);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({ kind: constant('reserve'), process: fc.nat(PROCESSES - 1), amount: fc.nat(9) }),
    },
    { weight: 6, arbitrary: fc.record({ kind: constant('settle'), which: fc.nat(50), percent: fc.nat(100) }) },
    { weight: 2, arbitrary: fc.record({ kind: constant('extend'), which: fc.nat(50), amount: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ kind: constant('renew') }) },
    { weight: 1, arbitrary: fc.record({ kind: constant('crash'), process: fc.nat(PROCESSES - 1) }) },
    { weight: 6, arbitrary: fc.record({ kind: constant('advance'), ms: fc.nat(50) }) },
    { weight: 2, arbitrary: fc.record({ kind: constant('advance'), ms: fc.nat(4000) }) },
  ),
  { maxLength: 120, size: 'max' },
);

interface InFlight {
  readonly process: number;
  readonly id: string;
  readonly pieces: Admission[];
  extending: boolean;
}

/** Drives all processes by the steps, and holds every admission of any of them against what the limits promise. */
class Run {
  readonly #processes: Processes;
  readonly #limits: readonly BoundLimit[];
  readonly #admissions: Admission[] = [];
  #inFlight: InFlight[] = [];
  readonly #crashed = new Set<number>();
  #undecided = 0;
  readonly #failures: unknown[] = [];
  readonly #stepMs: number;

  constructor(processes: Processes, limits: readonly BoundLimit[], stepMs: number) {
    this.#processes = processes;
    this.#limits = limits;
    this.#stepMs = stepMs;
  }

  async take(step: Step, index: number): Promise<void> {
    if (step.kind === 'reserve' && !this.#crashed.has(step.process)) {
      this.#start(this.#reserve(step.process, `r${index}`, step.amount));
    }
    if (step.kind === 'settle') this.#settle(step.which, step.percent);
    if (step.kind === 'extend' && this.#inFlight.length > 0) this.#start(this.#extend(step.which, step.amount));
    if (step.kind === 'renew') this.#renew();
    if (step.kind === 'crash') {
      this.#crashed.add(step.process);
      this.#inFlight = this.#inFlight.filter(({ process }) => process !== step.process);
    }
    if (step.kind === 'advance') await this.#processes.advance(step.ms, this.#stepMs);
    await turns(1);
  }

  async finish(): Promise<void> {
    for (let wait = 0; this.#undecided > 0 && wait < 20; wait++) await this.#processes.advance(1000, this.#stepMs);
    assert.equal(this.#undecided, 0, 'every request is decided at last');
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  #start(asked: Promise<void>): void {
    this.#undecided++;
    asked
      .catch((failure: unknown) => this.#failures.push(failure))
      .finally(() => {
        this.#undecided--;
      });
  }

  async #reserve(process: number, id: string, amount: number): Promise<void> {
    const decision = await this.#processes.all[process]!.leased.reserve(id, this.#limits, demand(amount));
    assert.deepEqual(
      decision.states.map(({ bound }) => bound),
      this.#limits,
      'states are in the order of the limits',
    );
    for (const { remaining, used, reserved } of decision.states)
      assert.ok(remaining >= 0 && used >= 0 && reserved >= 0);
    if (!decision.admitted) {
      const longest = Math.max(...decision.states.map(({ retryAfterMs }) => retryAfterMs));
      assert.ok(longest > 0 && decision.states[decision.binding]!.retryAfterMs === longest);
      return;
    }
    // A process that died while it waited lets nothing through.
    if (this.#crashed.has(process)) return;
    const piece = this.#admit(
      decision.states.map(({ taken }) => taken),
      decision.delayMs,
    );
    this.#inFlight.push({ process, id, pieces: [piece], extending: false });
  }

  async #extend(which: number, amount: number): Promise<void> {
    const request = this.#inFlight[which % this.#inFlight.length]!;
    if (request.extending) return;
    request.extending = true;
    const { leased } = this.#processes.all[request.process]!;
    const more = { ...amounts(amount), requests: 0 };
    const decision = await leased.extend(request.id, request.pieces.length, more);
    request.extending = false;
    if (!decision?.admitted || !this.#inFlight.includes(request)) return;
    request.pieces.push(
      this.#admit(
        decision.states.map(({ taken }) => taken),
        null,
      ),
    );
  }

  #admit(taken: number[], delayMs: number | null): Admission {
    const at = this.#processes.clock.now();
    const piece = {
      at,
      startsAt: at + (delayMs ?? 0),
      shaped: delayMs !== null,
      amounts: taken,
      over: false,
      overage: false,
    };
    this.#admissions.push(piece);
    for (const [index, { limit }] of this.#limits.entries()) {
      if (taken[index]! > 0) assertBound(this.#limits, limit, index, this.#admissions);
    }
    return piece;
  }

  #settle(which: number, percent: number): void {
    if (this.#inFlight.length === 0) return;
    const [{ process, id, pieces }] = this.#inFlight.splice(which % this.#inFlight.length, 1) as [InFlight];
    const taken = pieces.reduce((sum, piece) => sum + piece.amounts[0]!, 0);
    const tokens = this.#limits[0]!.limit.dimension === 'tokens' ? Math.floor((taken * percent) / 100) : 0;
    const actual = amounts(tokens);
    for (const [index, { limit }] of this.#limits.entries()) {
      let rest = amountOf(limit, actual);
      for (const piece of pieces) {
        const share = Math.min(rest, piece.amounts[index]!);
        piece.amounts[index] = share;
        rest -= share;
      }
    }
    for (const piece of pieces) piece.over = true;
    void this.#processes.all[process]!.leased.settle(id, actual);
  }

  #renew(): void {
    for (const [process, { leased }] of this.#processes.all.entries()) {
      if (this.#crashed.has(process)) continue;
      const ids = this.#inFlight.filter((one) => one.process === process).map(({ id }) => id);
      void leased.renew(ids);
    }
  }
}

/** Renews often enough that no reservation of a live process expires. */
function renewed(list: readonly Step[]): Step[] {
  let since = 0;
  return list.flatMap((step) => {
    since += step.kind === 'advance' ? step.ms : 0;
    if (since < LEASE_MS / 4) return [step];
    since = 0;
    return [{ kind: 'renew' as const }, step];
  });
}

async function drive(limits: readonly BoundLimit[], list: readonly Step[], distanceMs: number): Promise<void> {
  const processes = new Processes(PROCESSES, { leaseMs: LEASE_MS }, distanceMs);
  const run = new Run(processes, limits, distanceMs === 0 ? Number.POSITIVE_INFINITY : distanceMs);
  for (const [index, step] of renewed(list).entries()) await run.take(step, index);
  await run.finish();
  for (const { leased } of processes.all) {
    const closed = leased.close();
    await processes.advance(4 * distanceMs, distanceMs);
    await closed;
  }
}

test('R5 R28: processes that hold parts never admit more together than a limit promises, in any window', async () => {
  await fc.assert(
    fc.asyncProperty(limitsOf(leased), steps, (limits, list) => drive(limits, list, 0)),
    { numRuns: 300 },
  );
});

test('R5 R28: nor do they while their calls of the store are on the way', async () => {
  await fc.assert(fc.asyncProperty(limitsOf(leased), steps, fc.integer({ min: 5, max: 40 }), drive), { numRuns: 100 });
});

test('R5 R28: nor where some of the limits are the store’s to decide', async () => {
  await fc.assert(
    fc.asyncProperty(limitsOf(fc.oneof(leased, notLeased)), steps, (limits, list) => drive(limits, list, 0)),
    { numRuns: 150 },
  );
});
