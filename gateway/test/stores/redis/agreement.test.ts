/** The scripts are the second home of the maths in policy/; this holds them to the first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Demand, exactly } from '../../../src/policy/demand.ts';
import { type Amounts, type BoundLimit, CALENDAR_START, type Limit } from '../../../src/policy/limit.ts';
import type { LockingStore } from '../../../src/stores/limit-store.ts';
import { MemoryLimitStore } from '../../../src/stores/memory/index.ts';
import { redisHarness } from '../../fakes/redis-harness.ts';
import { needsRedis, startRedis } from '../../fakes/redis-server.ts';
import { bind, limitOf } from '../../policy/limits.ts';

const RUNS = 40;
const DENSE_RUNS = 8;
/** A failure is made smaller for so long. */
const SHRINK_MS = 120_000;
const MOST_BACK_MS = 5000;
const LEASE_MS = 8000;

const amount = fc.integer({ min: 0, max: 200 });
const windowMs = fc.integer({ min: 1, max: 9000 });
const onExceed = fc.constantFrom('reject' as const, 'reject' as const, 'report' as const);

const limit: fc.Arbitrary<Limit> = fc.oneof(
  fc
    .record({ amount, windowMs, onExceed })
    .map(({ amount, windowMs, onExceed }) => limitOf(amount, { kind: 'slidingWindow', windowMs }, { onExceed })),
  fc
    .record({
      amount,
      windowMs,
      onExceed,
      burst: amount,
      kind: fc.constantFrom('tokenBucket' as const, 'leakyBucket' as const),
    })
    .map(({ amount, windowMs, onExceed, burst, kind }) => limitOf(amount, { kind, windowMs, burst }, { onExceed })),
  fc
    .record({ amount, onExceed, timeZone: fc.constantFrom('UTC', 'Asia/Kolkata') })
    .map(({ amount, onExceed, timeZone }) => {
      return limitOf(amount, { kind: 'calendar', period: 'minute', timeZone, start: CALENDAR_START }, { onExceed });
    }),
  fc
    .record({ amount: fc.nat(5), leaseMs: windowMs, onExceed })
    .map(({ amount, leaseMs, onExceed }) => limitOf(amount, { kind: 'concurrency', leaseMs }, { onExceed })),
);

/** Limits, and what each is after a reload: another amount, window or burst. */
const lists = fc.array(fc.tuple(limit, amount, windowMs, amount), { minLength: 1, maxLength: 4 }).map((drawn) => {
  const bound = (one: Limit, index: number) => bind({ ...one, id: `limit-${index}` });
  return {
    before: drawn.map(([one], index) => bound(one, index)),
    after: drawn.map(([one, more, window, burst], index) => bound(reloaded(one, more, window, burst), index)),
  };
});

function reloaded(one: Limit, amount: number, windowMs: number, burst: number): Limit {
  switch (one.algorithm.kind) {
    case 'slidingWindow':
      return { ...one, amount, algorithm: { ...one.algorithm, windowMs } };
    case 'tokenBucket':
    case 'leakyBucket':
      return { ...one, amount, algorithm: { ...one.algorithm, windowMs, burst } };
    default:
      return { ...one, amount };
  }
}

const id = fc.nat(11).map((number) => `id-${number}`);
const some = fc.nat(60);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('reserve' as const),
      id,
      input: some,
      output: some,
      estimated: fc.nat(3),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('extend' as const),
      id,
      step: fc.integer({ min: 1, max: 3 }),
      output: some,
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('settle' as const), id, input: some, output: some }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('charge' as const), id, input: some }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lock' as const), wanted: some, needed: some }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unlock' as const), which: fc.nat(9), used: some }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('renew' as const), id }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(40) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(6000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('back' as const), ms: fc.nat(MOST_BACK_MS) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reload' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

const of = (inputTokens: number, outputTokens: number, requests = 1): Amounts => {
  return { requests, inputTokens, outputTokens, cost: 0, parts: null };
};

function demandOf({ input, output, estimated }: Extract<Step, { kind: 'reserve' }>): Demand {
  if (estimated === 0) return exactly(of(input, output));
  return { wanted: of(input, output), needed: of(input, 0), certain: of(Math.floor(input / estimated), 0) };
}

/** What a step answers, and every state after it. */
async function answerOf(
  store: LockingStore,
  one: Step,
  limits: readonly BoundLimit[],
  locks: readonly string[],
): Promise<unknown> {
  const lockable = limits.filter(({ limit }) => limit.dimension !== 'concurrency');
  switch (one.kind) {
    case 'reserve':
      return await store.reserve(one.id, limits, demandOf(one));
    case 'extend':
      return await store.extend(one.id, one.step, of(0, one.output, 0));
    case 'settle':
      return await store.settle(one.id, of(one.input, one.output));
    case 'charge':
      return await store.charge(one.id, limits, of(one.input, 0));
    case 'lock':
      return await store.lock(
        locks.at(-1)!,
        lockable,
        lockable.map(() => one.wanted),
        lockable.map(() => one.needed),
      );
    case 'unlock':
      if (locks.length === 0) return null;
      return await store.unlock(
        locks[one.which % locks.length]!,
        limits.map(() => one.used),
      );
    case 'renew':
      return await store.renew([one.id]);
    default:
      return null;
  }
}

const open = redisHarness(
  async () => {
    const server = await startRedis();
    return { address: server.address, masters: [server], [Symbol.asyncDispose]: server[Symbol.asyncDispose] };
  },
  (store) => store,
  { leaseMs: LEASE_MS },
);

test('R28: memory and Redis agree step by step', needsRedis, async () => {
  await fc.assert(
    fc.asyncProperty(lists, fc.array(step, { maxLength: 150, size: 'max' }), async ({ before, after }, list) => {
      const harness = await open();
      const { redis, clock } = harness;
      const memory = new MemoryLimitStore(clock, { leaseMs: redis.holdMs });
      let limits = before;
      // Locks have ids of their own: a lock that comes after its unlock is nothing that happens in one process.
      const locks: string[] = [];
      for (const [index, one] of list.entries()) {
        if (one.kind === 'advance') await harness.advance(one.ms);
        else if (one.kind === 'back') harness.step(-one.ms);
        else if (one.kind === 'reload') limits = limits === before ? after : before;
        if (one.kind === 'lock') locks.push(`lock-${index}`);
        const what = `step ${index}: ${JSON.stringify(one)}`;
        assert.deepEqual(await answerOf(redis, one, limits, locks), await answerOf(memory, one, limits, locks), what);
        assert.deepEqual(await redis.read(limits), memory.read(limits), `${what}, then read`);
        assert.equal(await redis.held(), memory.held(), `${what}, then held`);
      }
    }),
    { numRuns: RUNS, interruptAfterTimeLimit: SHRINK_MS },
  );
});

/** So dense that slots become coarse, closed slots are cut off, and low-water marks are thinned. */
const dense = fc.array(
  fc.record({
    ms: fc.nat(40),
    size: fc.nat(12),
    settles: fc.integer({ min: 0, max: 9 }),
    which: fc.nat(400),
    used: fc.nat(14),
  }),
  { minLength: 250, maxLength: 400 },
);

test('R28: memory and Redis agree with hundreds of requests in flight', needsRedis, async () => {
  await fc.assert(
    fc.asyncProperty(dense, fc.integer({ min: 200, max: 3000 }), async (list, amount) => {
      const { redis, clock } = await open();
      const memory = new MemoryLimitStore(clock, { leaseMs: redis.holdMs });
      const limits = [
        bind(limitOf(amount, { kind: 'slidingWindow', windowMs: 3000 }, { id: 'window' })),
        bind(limitOf(amount, { kind: 'tokenBucket', windowMs: 3000, burst: amount * 2 }, { id: 'bucket' })),
        bind(limitOf(300, { kind: 'tokenBucket', windowMs: 3000, burst: 5000 }, { id: 'slow' })),
        bind(limitOf(amount, { kind: 'leakyBucket', windowMs: 700, burst: amount }, { id: 'leaky' })),
      ];
      const inFlight: string[] = [];
      for (const [index, { ms, size, settles, which, used }] of list.entries()) {
        clock.advance(ms);
        await redis.sweep();
        const asked = exactly(of(size, 0));
        const decision = await redis.reserve(`r${index}`, limits, asked);
        assert.deepEqual(decision, memory.reserve(`r${index}`, limits, asked), `reserve ${index}`);
        if (decision.admitted) inFlight.push(`r${index}`);
        if (settles > 3 || inFlight.length === 0) continue;
        const [id] = inFlight.splice(which % inFlight.length, 1);
        assert.equal(await redis.settle(id!, of(used, 0)), memory.settle(id!, of(used, 0)), `settle ${id}`);
        assert.deepEqual(await redis.read(limits), memory.read(limits), `read after ${index}`);
      }
    }),
    { numRuns: DENSE_RUNS, interruptAfterTimeLimit: SHRINK_MS },
  );
});
