import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BoundLimit } from '../../../src/policy/limit.ts';
import { amounts, bind, demand, limitOf } from '../../policy/limits.ts';
import { MINUTE, perMinute, type Scene, scene, yearly } from './scene.ts';

/** A limit of one subject: the same object each time, as in a snapshot of the configuration. */
const PER_MINUTE = [perMinute(10)];
const REQUESTS = [perMinute(2, { id: 'requests', dimension: 'requests' })];
const PARALLEL = [bind(limitOf(1, { kind: 'concurrency', leaseMs: MINUTE }, { id: 'parallel' }))];

/** Uses up `limits` with a request that is over. */
async function useUp({ guard }: Scene, limits: readonly BoundLimit[], amount: number): Promise<void> {
  await guard.charge(`used ${amount}`, limits, amounts(amount));
}

/** The round trips that a reserve costs. */
async function costOf({ guard }: Scene, id: string, limits: readonly BoundLimit[], amount: number): Promise<number> {
  const before = guard.roundTrips;
  await guard.reserve(id, limits, demand(amount));
  return guard.roundTrips - before;
}

test('R27: who is refused costs one round trip until the retry time, which is told true all the while', async () => {
  const at = scene();
  await useUp(at, PER_MINUTE, 10);
  const first = await at.guard.reserve('r1', PER_MINUTE, demand(4));
  assert.ok(!first.admitted);
  assert.equal(first.states[0]?.retryAfterMs, MINUTE);
  for (let passed = 1000; passed < MINUTE; passed += 1000) {
    await at.pass(1000);
    const again = await at.guard.reserve(`r1 ${passed}`, PER_MINUTE, demand(4));
    assert.ok(!again.admitted);
    assert.deepEqual([again.states[0]?.retryAfterMs, again.states[0]?.resetMs], [MINUTE - passed, MINUTE - passed]);
    assert.equal(again.states[0]?.bound, PER_MINUTE[0]);
  }
  assert.deepEqual([at.guard.denied, at.guard.roundTrips], [59, 2]);
  await at.pass(1000);
  assert.ok((await at.guard.reserve('r2', PER_MINUTE, demand(4))).admitted);
});

test('who needs less than was refused is asked for, who needs as much or more is not', async () => {
  const at = scene();
  await useUp(at, PER_MINUTE, 6);
  assert.equal(await costOf(at, 'r1', PER_MINUTE, 6), 1);
  assert.equal(await costOf(at, 'r2', PER_MINUTE, 6), 0);
  assert.equal(await costOf(at, 'r3', PER_MINUTE, 9), 0);
  assert.equal(await costOf(at, 'r4', PER_MINUTE, 5), 1);
  assert.ok((await at.guard.reserve('r5', PER_MINUTE, demand(4))).admitted);
});

test('a refusal says nothing about other limits, other subjects, or the same limit after a reload', async () => {
  const at = scene();
  await useUp(at, PER_MINUTE, 10);
  assert.equal(await costOf(at, 'r1', PER_MINUTE, 4), 1);
  assert.equal(await costOf(at, 'r2', [bind(PER_MINUTE[0]!.limit, 'acme.other')], 4), 1);
  assert.equal(await costOf(at, 'r3', [PER_MINUTE[0]!, yearly('open')], 4), 1);
  assert.equal(await costOf(at, 'r4', [perMinute(100)], 4), 1);
  assert.ok((await at.guard.reserve('r5', [perMinute(100)], demand(4))).admitted);
});

test('where a request in flight may give back, a refusal stands for 250 ms and not after this process has settled', async () => {
  const at = scene();
  await at.guard.reserve('stream', PARALLEL, demand(1));
  assert.equal(await costOf(at, 'r1', PARALLEL, 1), 1);
  assert.equal(await costOf(at, 'r2', PARALLEL, 1), 0);
  await at.pass(250);
  assert.equal(await costOf(at, 'r3', PARALLEL, 1), 1);
  await at.guard.settle('stream', amounts(1));
  assert.ok((await at.guard.reserve('r4', PARALLEL, demand(1))).admitted);
});

test('requests that are in flight give back none of their number when they settle, so that their refusal stands for 250 ms', async () => {
  const at = scene();
  for (const id of ['a', 'b']) await at.guard.reserve(id, REQUESTS, demand(1));
  assert.equal(await costOf(at, 'r1', REQUESTS, 1), 1);
  for (const id of ['a', 'b']) await at.guard.settle(id, amounts(1));
  assert.equal(await costOf(at, 'r2', REQUESTS, 1), 0);
  await at.pass(250);
  assert.equal(await costOf(at, 'r3', REQUESTS, 1), 1);
  await at.pass(MINUTE - 1000);
  assert.equal(await costOf(at, 'r4', REQUESTS, 1), 0);
});

test('R28: a request that the store takes back, since a later shard refused it, keeps nobody out for more than 250 ms', async () => {
  const at = scene();
  const { memory } = at.remote;
  for (const id of ['a', 'b']) memory.reserve(id, REQUESTS, demand(1));
  assert.equal(await costOf(at, 'r1', REQUESTS, 1), 1);
  memory.settle('b', amounts(0, 'requests'));
  await at.pass(250);
  assert.ok((await at.guard.reserve('r2', REQUESTS, demand(1))).admitted);
});

test('what can never pass is refused from memory for 250 ms', async () => {
  const at = scene();
  assert.equal(await costOf(at, 'r1', PER_MINUTE, 11), 1);
  const again = await at.guard.reserve('r2', PER_MINUTE, demand(12));
  assert.equal(again.states[0]?.retryAfterMs, Number.POSITIVE_INFINITY);
  assert.equal(at.guard.denied, 1);
  await at.pass(250);
  assert.equal(await costOf(at, 'r3', PER_MINUTE, 11), 1);
});

test('a reserve that is repeated while it is held is answered as it was, although another one is refused', async () => {
  const at = scene();
  await at.guard.reserve('r1', PER_MINUTE, demand(10));
  await at.guard.reserve('r2', PER_MINUTE, demand(10));
  assert.ok((await at.guard.reserve('r1', PER_MINUTE, demand(10))).admitted);
});

test('R12: what the store refused stays refused while it does not answer; what the outage refused is forgotten', async () => {
  const at = scene();
  await useUp(at, PER_MINUTE, 10);
  await at.guard.reserve('r1', PER_MINUTE, demand(4));
  await at.lose();
  assert.equal((await at.guard.reserve('r2', PER_MINUTE, demand(4))).admitted, false);
  assert.equal((await at.guard.reserve('c1', [yearly('closed')], demand(4))).admitted, false);
  await at.restore();
  assert.equal((await at.guard.reserve('c2', [yearly('closed')], demand(4))).admitted, true);
});

test('the oldest refusals make room for new ones', async () => {
  const at = scene({ mostDenials: 3 });
  const of = (subject: number) => [bind(PER_MINUTE[0]!.limit, `key ${subject}`)];
  for (let subject = 0; subject < 5; subject++) {
    await at.guard.charge(`used ${subject}`, of(subject), amounts(10));
    await at.guard.reserve(`r ${subject}`, of(subject), demand(4));
  }
  const costs = [];
  for (let subject = 4; subject >= 1; subject--) costs.push(await costOf(at, `again ${subject}`, of(subject), 4));
  assert.deepEqual(costs, [0, 0, 0, 1]);
});

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('reserve' as const), amount: fc.integer({ min: 1, max: 12 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle' as const), percent: fc.nat(100) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 200 }) }),
    },
  ),
  { minLength: 30, maxLength: 60 },
);
const lists = fc.subarray(
  [
    bind(limitOf(20, { kind: 'slidingWindow', windowMs: 1000 }, { id: 'window' })),
    bind(limitOf(20, { kind: 'tokenBucket', windowMs: 1000, burst: 15 }, { id: 'bucket' })),
    bind(limitOf(3, { kind: 'slidingWindow', windowMs: 700 }, { id: 'requests', dimension: 'requests' })),
    bind(limitOf(3, { kind: 'concurrency', leaseMs: 5000 }, { id: 'parallel' })),
  ],
  { minLength: 1 },
);

test('R28: where nobody else gives back, whoever is refused from memory would have been refused by the store', async () => {
  let denied = 0;
  await fc.assert(
    fc.asyncProperty(lists, steps, async (limits, list) => {
      const at = scene();
      const held: string[] = [];
      for (const [index, step] of list.entries()) {
        if (step.kind === 'advance') at.clock.advance(step.ms);
        else if (step.kind === 'settle') {
          const id = held.shift();
          if (id !== undefined) await at.guard.settle(id, amounts(Math.floor(step.percent / 10)));
        } else {
          const before = at.guard.denied;
          const decision = await at.guard.reserve(`r${index}`, limits, demand(step.amount));
          if (decision.admitted) held.push(`r${index}`);
          if (at.guard.denied === before) continue;
          denied++;
          const truth = at.remote.memory.reserve(`truth ${index}`, limits, demand(step.amount));
          assert.equal(truth.admitted, false);
        }
      }
    }),
    { numRuns: 200 },
  );
  assert.ok(denied > 100, `refused from memory ${denied} times`);
});
