import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CALENDAR_START, type Limit } from '../../../src/policy/limit.ts';
import { PART_MS } from '../../../src/stores/leased/parts.ts';
import { amounts, bind, demand, limitOf } from '../../policy/limits.ts';
import { Processes, request } from './processes.ts';

const MINUTE = 60_000;
const LEASE_MS = 10_000;
const perMinute = (amount: number, over: Partial<Limit> = {}) =>
  bind(limitOf(amount, { kind: 'slidingWindow', windowMs: MINUTE }, { sharing: 'leased', ...over }));

/** What the store has locked or reserved. */
const reserved = (processes: Processes, limit: ReturnType<typeof perMinute>) =>
  processes.memory.read([limit])[0]!.reserved;

test('a process that goes idle strands at most a quarter of what remained, for at most two seconds', async () => {
  const processes = new Processes(2);
  const [busy, other] = processes.all;
  const limit = perMinute(1000);
  for (let count = 0; count < 600; count++) await request(busy!, `r${count}`, [limit]);
  const [here] = await busy!.leased.read([limit]);
  assert.deepEqual([here!.used, here!.reserved, here!.remaining], [600, 0, 400], 'here nothing of it is stranded');
  const [elsewhere] = processes.memory.read([limit]);
  const stranded = 400 - elsewhere!.remaining;
  // A quarter of what remained before the lock is at most a third of what remains after it.
  assert.ok(stranded > 0 && stranded <= elsewhere!.remaining / 3, `${stranded} are stranded`);
  await processes.advance(PART_MS, 50);
  const [after] = processes.memory.read([limit]);
  assert.deepEqual([after!.used, after!.reserved, after!.remaining], [600, 0, 400]);
  let passed = 0;
  for (let count = 0; count < 1000; count++) if ((await request(other!, `o${count}`, [limit])).admitted) passed++;
  assert.equal(passed, 400);
});

test('what long requests hold moves to a lock of its own, and the rest goes back', async () => {
  const processes = new Processes(1);
  const [one] = processes.all;
  const limit = perMinute(1000);
  for (let count = 0; count < 50; count++) await request(one!, `r${count}`, [limit]);
  assert.ok((await one!.leased.reserve('long', [limit], demand(10))).admitted);
  await processes.advance(2 * PART_MS, 50);
  assert.equal(reserved(processes, limit), 10);
  assert.equal(await one!.leased.settle('long', amounts(4)), true);
  await processes.advance(PART_MS, 50);
  const [state] = processes.memory.read([limit]);
  assert.deepEqual([state!.used, state!.reserved], [54, 0]);
});

test('near the end of a limit a request locks what it needs and gives back what it did not use as soon as it settles', async () => {
  const processes = new Processes(2);
  const [one, other] = processes.all;
  const limit = perMinute(10);
  assert.ok((await one!.leased.reserve('first', [limit], demand(8))).admitted);
  assert.ok(!(await other!.leased.reserve('second', [limit], demand(3))).admitted);
  assert.equal(await one!.leased.settle('first', amounts(1)), true);
  await processes.advance(1000);
  assert.ok((await other!.leased.reserve('third', [limit], demand(9))).admitted);
});

test('what a request used beyond what it took is charged to the limit', async () => {
  const processes = new Processes(2);
  const [one, other] = processes.all;
  const limit = perMinute(20);
  assert.ok((await one!.leased.reserve('long', [limit], demand(5))).admitted);
  await one!.leased.settle('long', amounts(18));
  await processes.advance(0);
  assert.equal(processes.memory.read([limit])[0]!.used, 18);
  assert.ok((await request(other!, 'fits', [limit], 2)).admitted);
  assert.ok(!(await request(other!, 'over', [limit], 1)).admitted);
});

test('R2: the parts of a process that dies expire, and count as the policy for orphans says', async () => {
  for (const [orphans, free] of [
    ['charge', 0],
    ['refund', 100],
  ] as const) {
    const processes = new Processes(2, { leaseMs: LEASE_MS, orphans });
    const [dead, alive] = processes.all;
    const limit = perMinute(100);
    assert.ok((await dead!.leased.reserve('lost', [limit], demand(100))).admitted);
    dead!.far.failing = 'there';
    await processes.advance(LEASE_MS - 1, 1000);
    assert.ok(!(await request(alive!, 'early', [limit], 1)).admitted);
    await processes.advance(1001, 1001);
    assert.equal(processes.memory.held(), 0);
    assert.equal(processes.memory.read([limit])[0]!.remaining, free);
  }
});

test('a request nobody settles nor renews ends with its lease; one that is renewed does not', async () => {
  const processes = new Processes(1, { leaseMs: LEASE_MS, orphans: 'refund' });
  const { leased } = processes.all[0]!;
  const limit = perMinute(100);
  await leased.reserve('lost', [limit], demand(10));
  await leased.reserve('kept', [limit], demand(20));
  for (let count = 0; count < 6; count++) {
    await processes.advance(LEASE_MS / 4, 250);
    await leased.renew(['kept']);
  }
  assert.equal(await leased.held(), 1);
  assert.equal(reserved(processes, limit), 20);
  assert.equal(await leased.settle('lost', amounts(10)), false);
  assert.equal(await leased.settle('kept', amounts(20)), true);
  assert.equal(await leased.settle('kept', amounts(20)), false, 'settled once');
  assert.equal(await leased.held(), 0);
});

test('R53: units locked in one period are not spent in the next, and settle into theirs', async () => {
  const processes = new Processes(2);
  const algorithm = { kind: 'calendar', period: 'minute', timeZone: 'UTC', start: CALENDAR_START } as const;
  const limit = bind(limitOf(100, algorithm, { sharing: 'leased' }));
  const [one, other] = processes.all;
  await processes.advance(MINUTE - 1000, 1000);
  assert.ok((await one!.leased.reserve('across', [limit], demand(10))).admitted);
  for (let count = 0; count < 20; count++) await request(one!, `r${count}`, [limit]);
  await processes.advance(1000, 250);
  assert.ok((await request(other!, 'all', [limit], 100)).admitted, 'the new period has its whole amount');
  assert.ok(!(await request(one!, 'over', [limit], 1)).admitted, 'nothing is left over from the old one');
  await one!.leased.settle('across', amounts(10));
  assert.deepEqual(processes.memory.read([limit])[0]!.used, 100);
});

test('R53: a lock that arrives in the next period brings nothing of the old one along', async () => {
  const processes = new Processes(2);
  const algorithm = { kind: 'calendar', period: 'minute', timeZone: 'UTC', start: CALENDAR_START } as const;
  const limit = bind(limitOf(100, algorithm, { sharing: 'leased' }));
  const [one, other] = processes.all;
  await processes.advance(MINUTE - 500, 500);
  for (let count = 0; count < 20; count++) await request(one!, `r${count}`, [limit]);
  await processes.advance(490, 245);
  one!.far.distanceMs = 20;
  const across = one!.leased.reserve('across', [limit], demand(30));
  await processes.advance(200, 5);
  assert.ok((await across).admitted);
  assert.ok((await request(other!, 'rest', [limit], 70)).admitted);
  assert.ok(!(await request(other!, 'over', [limit], 1)).admitted);
});

test('a process that was stopped for longer than its locks last spends nothing of them', async () => {
  const processes = new Processes(2, { leaseMs: LEASE_MS, orphans: 'refund' });
  const [stopped, other] = processes.all;
  const limit = perMinute(100);
  for (let count = 0; count < 20; count++) await request(stopped!, `r${count}`, [limit]);
  const [before] = processes.memory.read([limit]);
  assert.ok(before!.reserved > 20 - before!.used, 'something is left in a part');
  processes.clock.step(LEASE_MS);
  assert.ok((await request(other!, 'all', [limit], processes.memory.read([limit])[0]!.remaining)).admitted);
  assert.ok(!(await request(stopped!, 'over', [limit])).admitted);
});

test('a limit that is defined anew begins a new part; requests in flight settle in the old one', async () => {
  const processes = new Processes(1);
  const [one] = processes.all;
  const before = perMinute(1000);
  const after = perMinute(500);
  for (let count = 0; count < 50; count++) await request(one!, `r${count}`, [before]);
  await one!.leased.reserve('across', [before], demand(10));
  const decision = await one!.leased.reserve('new', [after], demand(5));
  assert.equal(decision.states[0]!.bound, after);
  await one!.leased.settle('across', amounts(7));
  await one!.leased.settle('new', amounts(5));
  await processes.advance(PART_MS, 50);
  const [state] = processes.memory.read([after]);
  assert.deepEqual([state!.used, state!.reserved], [62, 0]);
});

test('close gives everything back; what is in flight counts as it was taken', async () => {
  const processes = new Processes(1);
  const { leased } = processes.all[0]!;
  const limit = perMinute(1000);
  for (let count = 0; count < 50; count++) await request(processes.all[0]!, `r${count}`, [limit]);
  await leased.reserve('running', [limit], demand(7));
  await leased.close();
  const [state] = processes.memory.read([limit]);
  assert.deepEqual([state!.used, state!.reserved], [57, 0]);
  assert.equal(processes.clock.pending, 0, 'no timer is left behind');
});

test('what counters held is forgotten when nobody asks for them, and the timer with it', async () => {
  const processes = new Processes(1);
  for (let key = 0; key < 100; key++) {
    await request(processes.all[0]!, `r${key}`, [bind(perMinute(10).limit, `key-${key}`)]);
  }
  await processes.advance(MINUTE + PART_MS, 250);
  assert.equal(processes.clock.pending, 0);
  assert.equal(processes.memory.held(), 0);
});
