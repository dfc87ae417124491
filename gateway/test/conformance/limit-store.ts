/** What every limit store promises, whatever it is made of. A store passes or it is not one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Amounts, type BoundLimit, CALENDAR_START, type Limit } from '../../src/policy/limit.ts';
import { amounts, bind, demand, limitOf } from '../policy/limits.ts';
import {
  anySteps,
  demandOf,
  drive,
  type Harness,
  limitLists,
  MOST_BEHIND_MS,
  measuredSteps,
  type Step,
  steps,
} from './limit-store-model.ts';

const MINUTE = 60_000;
/** Longer than any lease in these tests, and than a store holds a reservation nobody renews. */
const EVERY_LEASE_MS = 10 * MINUTE;

type Check = (what: string, run: (harness: Harness) => Promise<void>) => void;
type Property = (
  what: string,
  run: (harness: Harness, limits: readonly BoundLimit[], amount: number) => Promise<void>,
  lists?: fc.Arbitrary<Step[]>,
) => void;

/** Registers the suite for one store. `open` makes an empty one; `runs` is how often each property is tried. */
export function limitStoreConformance(name: string, open: () => Harness | Promise<Harness>, runs: number): void {
  const check: Check = (what, run) =>
    test(`${name}: ${what}`, async () => {
      const harness = await open();
      await run(harness);
      await harness.store.close();
    });

  const property: Property = (what, run, lists = steps) =>
    test(`${name}: ${what}`, async () => {
      const last = fc.integer({ min: 1, max: 12 });
      await fc.assert(
        fc.asyncProperty(limitLists, lists, last, async (limits, list, amount) => {
          const harness = await open();
          await drive(harness, limits, list);
          await run(harness, limits, amount);
          await harness.store.close();
        }),
        { numRuns: runs },
      );
    });

  properties(property);
  requestsAndReservations(check);
  definitions(check);
  parts(check);
}

function properties(property: Property): void {
  property(
    'R28: no limit ever admits more than it promises, and a refusal by any changes none',
    async ({ store }, limits) => {
      assert.equal((await store.read(limits)).length, limits.length);
    },
    anySteps,
  );

  property(
    'R5: what was locked adds nothing to what a limit may admit in any window, whenever it is used',
    async ({ store }, limits) => {
      assert.equal((await store.read(limits)).length, limits.length);
    },
    measuredSteps,
  );

  property('R28: what remains passes, and one more does not', async ({ store }, limits) => {
    for (const bound of limits) {
      if (bound.limit.dimension === 'concurrency') continue;
      const [state] = await store.read([bound]);
      assert.ok(state);
      const over = await store.reserve('over', [bound], demand(state.remaining + 1));
      assert.equal(over.admitted, false);
      const exact = await store.reserve(`exact ${bound.counter}`, [bound], demand(state.remaining));
      assert.equal(exact.admitted, true);
      assert.equal(exact.states[0]?.remaining, 0);
    }
  });

  property(
    'R28: a retry passes at exactly the time that was told, and fails one millisecond earlier',
    async (harness, limits, amount) => {
      const { store } = harness;
      const first = await store.reserve('first', limits, demand(amount));
      if (first.admitted) return;
      const wait = first.states[first.binding]?.retryAfterMs ?? 0;
      if (wait === Number.POSITIVE_INFINITY) return;
      await harness.advance(wait - 1);
      assert.equal((await store.reserve('early', limits, demand(amount))).admitted, false);
      await harness.advance(1);
      assert.equal((await store.reserve('in time', limits, demand(amount))).admitted, true);
    },
  );

  property(
    'R28: reading for a demand tells what reserving it is told, and takes nothing',
    async ({ store }, limits, amount) => {
      const told = await store.read(limits, demand(amount));
      assert.deepEqual(await store.read(limits, demand(amount)), told);
      const { admitted, states } = await store.reserve('asked', limits, demand(amount));
      if (!admitted) assert.deepEqual(states, told);
      const refusing = told.filter(({ bound, retryAfterMs }) => bound.limit.onExceed !== 'report' && retryAfterMs > 0);
      assert.equal(refusing.length === 0, admitted);
    },
  );

  property('R28: nothing counts any more at exactly the reset that was told', async (harness, limits) => {
    const { store } = harness;
    for (const bound of limits) {
      const [before] = await store.read([bound]);
      if (!before || before.resetMs === 0) continue;
      await harness.advance(before.resetMs - 1);
      const [early] = await store.read([bound]);
      assert.ok(early && early.used + early.reserved > 0);
      await harness.advance(1);
      const [after] = await store.read([bound]);
      assert.equal(after && after.used + after.reserved + after.resetMs, 0);
    }
  });

  property('R13: whatever was abandoned, nothing is held after its lease', async (harness) => {
    // A clock that was set back first has to catch up.
    await harness.advance(MOST_BEHIND_MS + EVERY_LEASE_MS);
    assert.equal(await harness.store.held(), 0);
  });
}

const perMinute = (amount: number, over: Partial<Limit> = {}) =>
  bind(limitOf(amount, { kind: 'slidingWindow', windowMs: MINUTE }, over));
const parallel = (amount: number) =>
  bind(limitOf(amount, { kind: 'concurrency', leaseMs: MINUTE }, { id: 'parallel' }));

function requestsAndReservations(check: Check): void {
  check('R5 R28: of 1000 requests against 100 a minute exactly 100 pass', async ({ store }) => {
    const limit = perMinute(100, { dimension: 'requests' });
    let passed = 0;
    for (let count = 0; count < 1000; count++) {
      if ((await store.reserve(`r${count}`, [limit], demand(1, 'requests'))).admitted) passed++;
    }
    assert.equal(passed, 100);
  });

  check('R5 R28: of 200 requests of 4,000 tokens against 100,000 a minute exactly 25 pass', async ({ store }) => {
    const limit = bind(limitOf(100_000, { kind: 'tokenBucket', windowMs: MINUTE, burst: 100_000 }));
    const decisions = await Promise.all(
      Array.from({ length: 200 }, (_, count) => store.reserve(`r${count}`, [limit], demand(4000))),
    );
    assert.equal(decisions.filter(({ admitted }) => admitted).length, 25);
  });

  check('a reserve that is repeated answers as before and takes nothing more', async ({ store }) => {
    const first = await store.reserve('r1', [perMinute(10)], demand(4));
    assert.deepEqual(await store.reserve('r1', [perMinute(10)], demand(4)), first);
    assert.equal(first.states[0]?.remaining, 6);
    assert.equal((await store.read([perMinute(10)]))[0]?.remaining, 6);
    assert.equal(await store.held(), 1);
  });

  check('a settle with an id that holds nothing does nothing', async ({ store }) => {
    assert.equal(await store.settle('unknown', amounts(4)), false);
    assert.equal((await store.read([perMinute(10)]))[0]?.remaining, 10);
  });

  check('a request larger than a limit can ever admit is told never, whatever else binds', async ({ store }) => {
    const limits = [
      bind(limitOf(10, { kind: 'slidingWindow', windowMs: MINUTE }, { id: 'window' })),
      bind(limitOf(10, { kind: 'tokenBucket', windowMs: MINUTE, burst: 5 }, { id: 'bucket' })),
      bind(limitOf(10, { kind: 'calendar', period: 'year', timeZone: 'UTC', start: CALENDAR_START }, { id: 'quota' })),
      bind(limitOf(0, { kind: 'concurrency', leaseMs: 1000 }, { id: 'none' })),
    ];
    const decision = await store.reserve('r1', limits, demand(6));
    assert.deepEqual(
      decision.states.map(({ retryAfterMs }) => retryAfterMs),
      [0, Number.POSITIVE_INFINITY, 0, Number.POSITIVE_INFINITY],
    );
    assert.equal(!decision.admitted && decision.binding, 1);
    const larger = await store.reserve('r2', limits, demand(11));
    assert.ok(larger.states.every(({ retryAfterMs }) => retryAfterMs === Number.POSITIVE_INFINITY));
  });

  check('a limit that only reports refuses nothing and counts everything', async ({ store }) => {
    const limit = perMinute(10, { onExceed: 'report' });
    for (const id of ['r1', 'r2', 'r3']) assert.ok((await store.reserve(id, [limit], demand(8))).admitted);
    const fourth = await store.reserve('r4', [limit], demand(8));
    assert.deepEqual([fourth.states[0]?.reserved, fourth.states[0]?.remaining], [32, 0]);
    assert.equal(fourth.states[0]?.retryAfterMs, MINUTE);
  });

  check('while overage is owed a request passes that asks for nothing, and no other', async ({ store }) => {
    const limit = bind(limitOf(10, { kind: 'tokenBucket', windowMs: MINUTE, burst: 10 }));
    await store.reserve('r1', [limit], demand(5));
    await store.settle('r1', amounts(30));
    assert.equal((await store.reserve('r2', [limit], demand(1))).admitted, false);
    assert.equal((await store.reserve('r3', [limit], demand(0))).admitted, true);
  });

  check('R28: a clock that steps back, however far, frees nothing', async (harness) => {
    const { store } = harness;
    await store.reserve('r1', [perMinute(10), parallel(1)], demand(10));
    await harness.step(-86_400_000);
    const decision = await store.reserve('r2', [perMinute(10), parallel(1)], demand(1));
    assert.ok(!decision.admitted);
    assert.equal(decision.states[decision.binding]?.retryAfterMs, 86_400_000 + MINUTE);
  });

  check(
    'R13: a request that is renewed keeps its place longer than any lease, and no other gets it',
    async (harness) => {
      const { store } = harness;
      await store.reserve('stream', [parallel(1)], demand(1));
      for (let passed = 0; passed < EVERY_LEASE_MS; passed += MINUTE / 3) {
        await harness.advance(MINUTE / 3);
        await store.renew(['stream']);
        assert.equal((await store.reserve('next', [parallel(1)], demand(1))).admitted, false);
      }
      assert.equal(await store.settle('stream', amounts(1)), true);
      assert.equal((await store.reserve('next', [parallel(1)], demand(1))).admitted, true);
    },
  );

  check('R13: 10,000 requests that settle or are abandoned leave nothing held after a lease', abandonTenThousand);
}

async function abandonTenThousand({ store, advance }: Harness): Promise<void> {
  const limits = [perMinute(Number.MAX_SAFE_INTEGER), parallel(20_000)];
  let abandoned = 0;
  for (let count = 0; count < 10_000; count++) {
    assert.ok((await store.reserve(`r${count}`, limits, demand(3))).admitted);
    if (count % 3 === 0) abandoned++;
    else assert.ok(await store.settle(`r${count}`, amounts(count % 5)));
    if (count % 100 === 0) await advance(1);
  }
  assert.equal(await store.held(), abandoned);
  await advance(EVERY_LEASE_MS);
  assert.equal(await store.held(), 0);
  assert.equal((await store.read(limits))[1]?.reserved, 0);
  assert.equal(await store.settle('r0', amounts(1)), false);
}

function definitions(check: Check): void {
  check('a limit that a reload changes goes on with the use so far', async ({ store }) => {
    await store.reserve('r1', [perMinute(10)], demand(6));
    const [state] = await store.read([perMinute(20)]);
    assert.deepEqual([state?.reserved, state?.remaining], [6, 14]);
    await store.settle('r1', amounts(1));
    assert.equal((await store.read([perMinute(20)]))[0]?.remaining, 19);
  });
}

function parts(check: Check): void {
  const bucket = () => bind(limitOf(100, { kind: 'tokenBucket', windowMs: MINUTE, burst: 100 }));

  check('R2b: output that nobody capped takes what room there is, and a stated cap has to fit', async ({ store }) => {
    await store.reserve('r1', [perMinute(100)], demand(80));
    const estimated = demandOf(60, 50);
    const open = await store.reserve('r2', [perMinute(100)], estimated);
    assert.deepEqual([open.admitted, open.states[0]?.taken, open.states[0]?.remaining], [true, 20, 0]);
    await store.settle('r2', amounts(0));
    assert.equal((await store.reserve('r3', [perMinute(100)], demand(60))).admitted, false);
  });

  check(
    'R2b: an estimate larger than the whole limit waits for all of it; what is certain is refused',
    async ({ store }) => {
      assert.deepEqual((await store.reserve('r1', [bucket()], demandOf(180, 1))).states[0]?.taken, 100);
      const second = await store.reserve('r2', [bucket()], demandOf(180, 1));
      assert.deepEqual([second.admitted, second.states[0]?.retryAfterMs], [false, MINUTE]);
      const never = await store.reserve('r3', [bucket()], demandOf(250, 1));
      assert.equal(never.states[0]?.retryAfterMs, Number.POSITIVE_INFINITY);
    },
  );

  check(
    'R2: an extension takes more of every limit or of none, and is settled with what it extends',
    async ({ store }) => {
      const limits = [perMinute(100), parallel(1)];
      await store.reserve('r1', limits, demand(40));
      const more = (outputTokens: number): Amounts => ({ ...amounts(0), requests: 0, outputTokens });
      assert.equal((await store.extend('r1', 1, more(30)))?.admitted, true);
      assert.equal((await store.extend('r1', 2, more(31)))?.admitted, false);
      assert.equal((await store.extend('r1', 2, more(30)))?.states[0]?.remaining, 0);
      assert.equal(await store.settle('r1', amounts(55)), true);
      assert.equal(await store.extend('r1', 3, more(1)), null);
      const [tokens, places] = await store.read(limits);
      assert.deepEqual([tokens?.used, tokens?.reserved, places?.reserved], [55, 0, 0]);
    },
  );

  check('a leaky bucket lets the second start after the first is paid, and says so', async (harness) => {
    const { store } = harness;
    const shaped = bind(limitOf(60, { kind: 'leakyBucket', windowMs: MINUTE, burst: 3 }, { dimension: 'requests' }));
    const delays: number[] = [];
    for (const id of ['r1', 'r2', 'r3']) {
      const decision = await store.reserve(id, [shaped], demand(1, 'requests'));
      assert.ok(decision.admitted);
      delays.push(decision.delayMs);
    }
    assert.deepEqual(delays, [0, 1000, 2000]);
    const full = await store.reserve('r4', [shaped], demand(1, 'requests'));
    assert.deepEqual([full.admitted, full.states[0]?.retryAfterMs], [false, 1000]);
  });

  check('a leaky bucket that only reports holds nobody back', async ({ store }) => {
    const shaped = bind(
      limitOf(60, { kind: 'leakyBucket', windowMs: MINUTE, burst: 3 }, { dimension: 'requests', onExceed: 'report' }),
    );
    for (const id of ['r1', 'r2', 'r3', 'r4']) {
      const decision = await store.reserve(id, [shaped], demand(1, 'requests'));
      assert.equal(decision.admitted && decision.delayMs, 0);
    }
  });

  check('R2: a charge counts once, whether it passes or not', async ({ store }) => {
    assert.equal(await store.charge('c1', [perMinute(10), parallel(1)], amounts(14)), true);
    assert.equal(await store.charge('c1', [perMinute(10), parallel(1)], amounts(14)), false);
    const [tokens, places] = await store.read([perMinute(10), parallel(1)]);
    assert.deepEqual([tokens?.used, tokens?.remaining, places?.reserved], [14, 0, 0]);
  });

  check('R2: a reserve that arrives after its settle takes nothing', async ({ store }) => {
    assert.equal(await store.settle('late', amounts(0)), false);
    await store.reserve('late', [perMinute(10), parallel(1)], demand(5));
    assert.deepEqual(
      (await store.read([perMinute(10), parallel(1)])).map(({ reserved }) => reserved),
      [0, 0],
    );
    assert.equal(await store.held(), 0);
  });

  check('what is locked counts from the lock, and what was used of it from the unlock', async (harness) => {
    const { store } = harness;
    await store.lock('part', [perMinute(10)], [8], [1]);
    await harness.advance(MINUTE / 2);
    assert.equal((await store.reserve('r1', [perMinute(10)], demand(3))).admitted, false);
    await store.renew(['part']);
    assert.equal(await store.unlock('part', [5]), true);
    await harness.advance(MINUTE - 1);
    assert.equal((await store.read([perMinute(10)]))[0]?.used, 5);
    await harness.advance(1);
    assert.equal((await store.read([perMinute(10)]))[0]?.used, 0);
  });
}
