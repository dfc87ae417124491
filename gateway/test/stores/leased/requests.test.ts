import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Limit } from '../../../src/policy/limit.ts';
import { PART_MS } from '../../../src/stores/leased/parts.ts';
import { amounts, bind, demand, limitOf } from '../../policy/limits.ts';
import { Processes, request } from './processes.ts';

const MINUTE = 60_000;
const limitPerMinute = (id: string, amount: number, over: Partial<Limit> = {}) =>
  bind(limitOf(amount, { kind: 'slidingWindow', windowMs: MINUTE }, { id, ...over }));
const leased = (id: string, amount: number, over: Partial<Limit> = {}) =>
  limitPerMinute(id, amount, { sharing: 'leased', ...over });

test('requests without leased limits are the store’s alone', async () => {
  const processes = new Processes(1);
  const { leased: store, far } = processes.all[0]!;
  const limits = [limitPerMinute('exact', 10)];
  await store.reserve('r', limits, demand(3));
  await store.extend('r', 1, amounts(1));
  await store.renew(['r']);
  assert.equal(await store.settle('r', amounts(4)), true);
  assert.equal(await store.charge('c', limits, amounts(1)), true);
  assert.deepEqual(far.calls, ['reserve', 'extend', 'renew', 'settle', 'charge']);
  assert.equal((await store.read(limits))[0]!.used, 5);
});

test('R28: where an exact limit refuses, the leased ones get back what was taken, and all states are told in order', async () => {
  const processes = new Processes(1);
  const { leased: store } = processes.all[0]!;
  const limits = [leased('a', 100), limitPerMinute('b', 5), leased('c', 100)];
  assert.ok((await store.reserve('first', limits, demand(4))).admitted);
  const refused = await store.reserve('second', limits, demand(4));
  assert.ok(!refused.admitted);
  assert.equal(refused.binding, 1);
  assert.deepEqual(
    refused.states.map(({ bound, taken }) => [bound, taken]),
    limits.map((bound) => [bound, 0]),
  );
  await store.settle('first', amounts(4));
  await processes.advance(PART_MS, 50);
  assert.deepEqual(
    processes.memory.read(limits).map(({ used, reserved }) => [used, reserved]),
    [
      [4, 0],
      [4, 0],
      [4, 0],
    ],
  );
});

test('R28: where a leased limit refuses, no limit counts anything, and the longest wait of all is named', async () => {
  const processes = new Processes(1);
  const { leased: store } = processes.all[0]!;
  const limits = [limitPerMinute('a', 100), leased('b', 5)];
  assert.ok((await store.reserve('first', limits, demand(4))).admitted);
  await store.settle('first', amounts(4));
  const refused = await store.reserve('second', limits, demand(4));
  assert.ok(!refused.admitted && refused.binding === 1);
  await processes.advance(PART_MS, 50);
  assert.deepEqual(
    processes.memory.read(limits).map(({ used, reserved }) => [used, reserved]),
    [
      [4, 0],
      [4, 0],
    ],
  );
});

test('an amount larger than a leased limit can ever admit is refused for ever', async () => {
  const processes = new Processes(1);
  const [one] = processes.all;
  const limits = [leased('a', 100)];
  for (let count = 0; count < 20; count++) await request(one!, `r${count}`, limits);
  const refused = await request(one!, 'huge', limits, 101);
  assert.ok(!refused.admitted);
  assert.equal(refused.states[0]!.retryAfterMs, Number.POSITIVE_INFINITY);
  assert.ok((await request(one!, 'next', limits)).admitted);
});

test('a leased limit that only reports refuses nothing and counts everything', async () => {
  const processes = new Processes(1);
  const [one] = processes.all;
  const limits = [leased('a', 10, { onExceed: 'report' })];
  let over = 0;
  for (let count = 0; count < 50; count++) {
    const decision = await request(one!, `r${count}`, limits);
    assert.ok(decision.admitted);
    if (decision.states[0]!.retryAfterMs > 0) over++;
  }
  await processes.advance(PART_MS, 50);
  assert.equal(processes.memory.read(limits)[0]!.used, 50);
  assert.ok(over >= 40, `${over} were over the limit`);
});

test('repeating a reserve answers as the first did and takes nothing more, also while it is under way', async () => {
  const processes = new Processes(1, {}, 5);
  const { leased: store } = processes.all[0]!;
  const limits = [leased('a', 100)];
  const first = store.reserve('r', limits, demand(10));
  const second = store.reserve('r', limits, demand(10));
  await processes.advance(20, 5);
  const decision = await first;
  assert.equal(await second, decision);
  processes.all[0]!.far.distanceMs = 0;
  assert.equal(await store.reserve('r', limits, demand(10)), decision);
  assert.equal(await store.held(), 1);
  assert.equal(processes.memory.read(limits)[0]!.reserved, 10);
});

test('an extension takes from the part, once a step, and settles with the request', async () => {
  const processes = new Processes(1);
  const { leased: store } = processes.all[0]!;
  const limits = [leased('a', 100), limitPerMinute('b', 100)];
  await store.reserve('r', limits, demand(10));
  const more = { ...amounts(5), requests: 0 };
  const extended = await store.extend('r', 1, more);
  assert.ok(extended?.admitted);
  assert.deepEqual(
    extended.states.map(({ taken }) => taken),
    [5, 5],
  );
  assert.equal(await store.extend('r', 1, more), extended);
  const refused = await store.extend('r', 2, { ...amounts(90), requests: 0 });
  assert.equal(refused?.admitted, false);
  assert.ok((await store.extend('r', 2, more))?.admitted, 'what was refused may be asked again');
  await store.settle('r', amounts(18));
  assert.equal(await store.extend('r', 3, more), null);
  await processes.advance(PART_MS, 50);
  assert.deepEqual(
    processes.memory.read(limits).map(({ used, reserved }) => [used, reserved]),
    [
      [18, 0],
      [18, 0],
    ],
  );
});

test('a request that is settled before it is decided leaves nothing behind', async () => {
  const processes = new Processes(1, {}, 5);
  const { leased: store } = processes.all[0]!;
  const limits = [leased('a', 100), limitPerMinute('b', 100)];
  const pending = store.reserve('r', limits, demand(10));
  assert.equal(await store.settle('r', amounts(0)), true);
  await processes.advance(60, 5);
  await pending;
  processes.all[0]!.far.distanceMs = 0;
  assert.equal(await store.settle('r', amounts(3)), false);
  await processes.advance(2 * PART_MS, 50);
  assert.deepEqual(
    processes.memory.read(limits).map(({ used, reserved }) => used + reserved),
    [0, 0],
  );
});

test('R12: while the store fails, what a part covers passes, what it does not fails, and nothing is lost or counted twice', async () => {
  for (const failing of ['there', 'back'] as const) {
    const processes = new Processes(1);
    const [one] = processes.all;
    const limits = [leased('a', 10_000)];
    let passed = 0;
    let failed = 0;
    const send = (count: number) =>
      request(one!, `${failing}${count}`, limits).then(
        ({ admitted }) => {
          if (admitted) passed++;
        },
        () => failed++,
      );
    for (let count = 0; count < 100; count++) await send(count);
    one!.far.failing = failing;
    for (let count = 100; count < 1000; count++) await send(count);
    assert.ok(passed > 100 && failed > 0, `${passed} passed, ${failed} failed`);
    await processes.advance(2 * PART_MS, 250);
    one!.far.failing = null;
    await processes.advance(PART_MS, 250);
    const [state] = processes.memory.read(limits);
    assert.deepEqual([state!.used, state!.reserved], [passed, 0]);
    assert.ok((await request(one!, 'after', limits)).admitted);
  }
});
