import assert from 'node:assert/strict';
import { test } from 'node:test';
import { amounts, bind, demand, limitOf } from '../../policy/limits.ts';
import type { Fault } from './faulty-store.ts';
import { MINUTE, perMinute, scene, TIMEOUT_MS, yearly } from './scene.ts';

const YEARLY = [yearly('localShare')];

test('R12: what the store admitted and settles in an outage is settled when the store is back, once', async () => {
  const at = scene();
  assert.ok((await at.guard.reserve('r1', YEARLY, demand(100))).admitted);
  await at.lose();
  assert.equal(await at.guard.settle('r1', amounts(30)), true);
  assert.equal(await at.guard.settle('r1', amounts(99)), false);
  assert.equal(at.guard.pending, 1);
  await at.restore();
  assert.deepEqual(usedAndReserved(at), [30, 0]);
  assert.equal(await at.guard.settle('r1', amounts(99)), false);
  assert.deepEqual(usedAndReserved(at), [30, 0]);
});

test('R12: what was admitted here is charged to the store when it is back, also what no policy counted here', async () => {
  const at = scene();
  await at.lose();
  const limits = [...YEARLY, yearly('open')];
  assert.ok((await at.guard.reserve('r1', limits, demand(100))).admitted);
  assert.ok((await at.guard.reserve('later', limits, demand(100))).admitted);
  await at.guard.settle('r1', amounts(30));
  await at.restore();
  assert.deepEqual(
    at.remote.memory.read(limits).map(({ used }) => used),
    [30, 30],
  );
  assert.equal(await at.guard.held(), 1);
  await at.guard.settle('later', amounts(50));
  await at.pass(0);
  assert.deepEqual(
    at.remote.memory.read(limits).map(({ used }) => used),
    [80, 80],
  );
  assert.equal(await at.guard.held(), 0);
});

const AMBIGUOUS: Readonly<Record<string, Fault>> = {
  'was applied and its answer lost': { kind: 'lost', error: false },
  'was applied and answered with an error': { kind: 'lost', error: true },
  'was applied and is answered too late': { kind: 'slow', ms: 2 * TIMEOUT_MS },
  'is applied after its settlement': { kind: 'late', ms: MINUTE },
};

for (const [what, fault] of Object.entries(AMBIGUOUS)) {
  test(`R12: a reserve that ${what} holds nothing, and its request counts once`, async () => {
    const at = scene();
    at.remote.fault = fault;
    const decision = at.guard.reserve('r1', YEARLY, demand(100));
    await at.pass(TIMEOUT_MS);
    assert.ok((await decision).admitted);
    at.remote.fault = { kind: 'none' };
    await at.guard.settle('r1', amounts(70));
    await at.pass(2 * MINUTE);
    assert.deepEqual(usedAndReserved(at), [70, 0]);
    assert.equal(await at.guard.held(), 0);
  });

  test(`R12: a settlement that ${what.replace('its settlement', 'another one')} counts once`, async () => {
    const at = scene();
    await at.guard.reserve('r1', YEARLY, demand(100));
    at.remote.fault = fault;
    const settled = at.guard.settle('r1', amounts(70));
    await at.pass(TIMEOUT_MS);
    assert.equal(await settled, true);
    at.remote.fault = { kind: 'none' };
    await at.pass(2 * MINUTE);
    assert.deepEqual(usedAndReserved(at), [70, 0]);
  });

  test(`R12: a charge that ${what.replace('its settlement', 'another one')} counts once`, async () => {
    const at = scene();
    at.remote.fault = fault;
    const charged = at.guard.charge('r1', YEARLY, amounts(70));
    await at.pass(TIMEOUT_MS);
    assert.equal(await charged, true);
    at.remote.fault = { kind: 'none' };
    await at.pass(2 * MINUTE);
    assert.deepEqual(usedAndReserved(at), [70, 0]);
  });
}

test('R12: a reserve that is repeated is answered as it was, here and there, and takes nothing more', async () => {
  const at = scene();
  await at.guard.reserve('there', YEARLY, demand(100));
  await at.lose();
  assert.ok((await at.guard.reserve('there', YEARLY, demand(100))).admitted);
  const first = await at.guard.reserve('here', YEARLY, demand(200));
  assert.deepEqual(await at.guard.reserve('here', YEARLY, demand(200)), first);
  assert.equal(await at.guard.held(), 2);
  await at.restore();
  assert.deepEqual(await at.guard.reserve('here', YEARLY, demand(200)), first);
  await at.guard.settle('there', amounts(1));
  await at.guard.settle('here', amounts(2));
  await at.pass(0);
  assert.deepEqual(usedAndReserved(at), [3, 0]);
});

test('R12: a request whose reserve got lost is decided here when it asks again, and what the store took for it is given back', async () => {
  const at = scene();
  const limits = [...YEARLY, bind(limitOf(4, { kind: 'concurrency', leaseMs: MINUTE }, { id: 'parallel' }))];
  at.remote.fault = { kind: 'lost', error: true };
  assert.ok((await at.guard.reserve('first', limits, demand(5))).admitted);
  assert.equal((await at.guard.reserve('waiting', limits, demand(5))).admitted, false);
  at.remote.fault = { kind: 'none' };
  await at.guard.settle('first', amounts(5));
  assert.ok((await at.guard.reserve('waiting', limits, demand(5))).admitted);
  await at.pass(1000);
  await at.guard.settle('waiting', amounts(3));
  await at.pass(0);
  assert.deepEqual(usedAndReserved(at), [8, 0]);
  assert.equal(at.remote.calls.filter((call) => call === 'reserve waiting').length, 1);
});

test('R12: a delivery that the store cannot take holds up none of the others', async () => {
  const at = scene({
    breaker: { failures: 1000, within: { failures: 1000, ms: 1 }, coolDownMs: 500, longestCoolDownMs: 2000 },
  });
  const charge = at.remote.charge.bind(at.remote);
  at.remote.charge = (id, limits, actual) =>
    id.startsWith('poison') ? Promise.reject(new Error('no')) : charge(id, limits, actual);
  at.remote.fault = { kind: 'error' };
  for (let count = 0; count < 100; count++) await at.guard.charge(`poison ${count}`, YEARLY, amounts(1));
  for (let count = 0; count < 100; count++) await at.guard.charge(`c${count}`, YEARLY, amounts(1));
  at.remote.fault = { kind: 'none' };
  await at.pass(MINUTE);
  assert.deepEqual([usedAndReserved(at)[0], at.guard.pending], [100, 100]);
});

test('R12: what is pending is delivered in batches, with live calls in between', async () => {
  const at = scene();
  await at.lose();
  for (let count = 0; count < 500; count++) await at.guard.charge(`c${count}`, YEARLY, amounts(1));
  at.remote.fault = { kind: 'slow', ms: 10 };
  while (at.guard.degraded === 1) await at.pass(10);
  const before = at.remote.calls.length;
  const decision = at.guard.reserve('live', YEARLY, demand(1));
  await at.pass(20);
  assert.ok((await decision).admitted);
  assert.ok(at.remote.calls.indexOf('reserve live') < before + 1, 'sent at once');
  assert.ok(at.guard.pending > 250, 'most is still pending');
  await at.pass(1000);
  assert.equal(at.guard.pending, 0);
});

test('R12: what does not fit the queue is counted, and one line says so', async () => {
  const at = scene({ mostPending: 10 });
  await at.lose();
  for (let count = 0; count < 15; count++) await at.guard.charge(`c${count}`, YEARLY, amounts(1));
  assert.deepEqual([at.guard.pending, at.guard.dropped], [10, 5]);
  assert.equal(at.lines.filter(({ text }) => text.includes('too many')).length, 1);
  await at.restore();
  assert.equal(usedAndReserved(at)[0], 10);
});

test('R12: a store that closes delivers what is pending first', async () => {
  const at = scene();
  await at.lose();
  await at.guard.charge('c1', YEARLY, amounts(7));
  at.remote.fault = { kind: 'none' };
  const closed = at.guard.close();
  await at.pass(1100);
  await closed;
  assert.deepEqual([usedAndReserved(at)[0], at.remote.closed, at.clock.pending], [7, true, 0]);
});

test('R12: a store that closes gives up in time on one that does not answer, and says what is lost', async () => {
  const at = scene();
  await at.lose({ kind: 'hang' });
  await at.guard.charge('c1', YEARLY, amounts(7));
  const closed = at.guard.close();
  await at.pass(1100);
  await closed;
  assert.deepEqual(at.lines.at(-1)?.fields, { pending: 1 });
  assert.deepEqual([at.remote.closed, at.clock.pending], [true, 0]);
});

test('R13: places of streams are renewed where they are held, also those that were admitted here', async () => {
  const at = scene();
  const parallel = (id: string) => [bind(limitOf(4, { kind: 'concurrency', leaseMs: MINUTE }, { id }))];
  await at.guard.reserve('there', parallel('there'), demand(1));
  await at.lose();
  await at.guard.reserve('here', parallel('here'), demand(1));
  await at.restore();
  for (let count = 0; count < 10; count++) {
    await at.pass(MINUTE / 2);
    await at.guard.renew(['here', 'there']);
  }
  assert.equal(at.remote.memory.read(parallel('there'))[0]?.reserved, 1);
  await at.lose();
  assert.equal((await at.guard.read(parallel('here')))[0]?.reserved, 1);
  assert.equal((await at.guard.reserve('next', parallel('here'), demand(1))).admitted, false);
});

test('R12: while the store answers nothing is counted here', async () => {
  const at = scene();
  for (let count = 0; count < 10; count++) {
    assert.ok((await at.guard.reserve(`r${count}`, [perMinute(100)], demand(5))).admitted);
    assert.equal(await at.guard.settle(`r${count}`, amounts(5)), true);
  }
  assert.deepEqual([at.guard.roundTrips, at.guard.pending, at.lines.length], [20, 0, 0]);
  await at.lose();
  assert.equal((await at.guard.read([perMinute(100)]))[0]?.used, 0);
});

function usedAndReserved({ remote }: ReturnType<typeof scene>): number[] {
  const [state] = remote.memory.read(YEARLY);
  return [state?.used ?? Number.NaN, state?.reserved ?? Number.NaN];
}
