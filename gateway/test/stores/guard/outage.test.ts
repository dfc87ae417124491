import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BREAKER } from '../../../src/policy/breaker.ts';
import type { Demand } from '../../../src/policy/demand.ts';
import type { BoundLimit } from '../../../src/policy/limit.ts';
import type { Decision } from '../../../src/stores/limit-store.ts';
import { amounts, bind, demand, limitOf } from '../../policy/limits.ts';
import type { Fault } from './faulty-store.ts';
import { MINUTE, perMinute, RECOVERY_MS, type Scene, scene, TIMEOUT_MS, yearly } from './scene.ts';

const FAULTS: Readonly<Record<string, Fault>> = {
  'stopped or answering with errors': { kind: 'error' },
  paused: { kind: 'hang' },
  '2 s slow': { kind: 'slow', ms: 2000 },
};

/** A decision that costs no time. */
function atOnce({ guard }: Scene, id: string, limits: readonly BoundLimit[], of: Demand = demand(1)): Decision {
  const decision = guard.reserve(id, limits, of);
  assert.ok(!(decision instanceof Promise), 'a decision that waits for nobody');
  return decision;
}

for (const [what, fault] of Object.entries(FAULTS)) {
  test(`R12: with the store ${what}, no call takes longer than its time limit, and none takes any time once the breaker is open`, async () => {
    const at = scene();
    at.remote.fault = fault;
    const limits = [perMinute(100)];
    for (let count = 0; count < 3; count++) {
      let decided = false;
      void Promise.resolve(at.guard.reserve(`r${count}`, limits, demand(1))).then(() => {
        decided = true;
      });
      await at.pass(TIMEOUT_MS);
      assert.ok(decided);
    }
    assert.equal(at.guard.degraded, 1);
    const before = at.guard.roundTrips;
    for (let count = 3; count < 20; count++) assert.ok(atOnce(at, `r${count}`, limits).admitted);
    assert.ok(!(at.guard.settle('r3', amounts(1)) instanceof Promise));
    assert.ok(!(at.guard.extend('r4', 1, amounts(1)) instanceof Promise));
    assert.ok(!(at.guard.read(limits) instanceof Promise));
    assert.ok(!(at.guard.charge('c', limits, amounts(1)) instanceof Promise));
    assert.ok(!(at.guard.renew(['r5', 'elsewhere']) instanceof Promise));
    assert.equal(at.guard.roundTrips, before);
  });

  test(`R12: with the store ${what}, one line says so and one that it is over, at most 5 s after it works again`, async () => {
    const at = scene();
    await at.lose(fault);
    await at.pass(MINUTE);
    assert.equal(at.lines.length, 1);
    assert.equal(at.lines[0]?.level, 'error');
    const cause = fault.kind === 'error' ? 'connection refused' : 'no answer in time';
    assert.deepEqual(at.lines[0]?.fields, { cause });
    const probes = at.remote.calls.filter((call) => call === 'probe').length;
    assert.ok(probes >= MINUTE / 2 / 2100 && probes <= MINUTE / 2000 + 3, `${probes} probes in a minute`);
    await at.restore();
    assert.equal(at.lines.length, 2);
    assert.equal(at.lines[1]?.level, 'info');
  });
}

test('R12: a store that is lost for ever and probed is asked one thing at a time', async () => {
  const at = scene();
  await at.lose({ kind: 'hang' });
  const before = at.guard.roundTrips;
  for (let count = 0; count < 40; count++) {
    atOnce(at, `r${count}`, [perMinute(100)]);
    await at.pass(RECOVERY_MS / 10);
  }
  assert.deepEqual([...new Set(at.remote.calls.slice(before))], ['probe']);
});

test('R12: localShare: each of 4 processes admits a quarter of the limit, and of a limit smaller than 4 it admits 1', async () => {
  const at = scene();
  await at.lose();
  for (const [amount, share] of [
    [102, 25],
    [3, 1],
  ] as const) {
    const limits = [perMinute(amount, { id: `of-${amount}` })];
    let admitted = 0;
    for (let count = 0; count < 50; count++) if (atOnce(at, `${amount}-${count}`, limits).admitted) admitted++;
    assert.equal(admitted, share);
    const refused = atOnce(at, `${amount}-more`, limits);
    assert.ok(!refused.admitted);
    assert.equal(refused.unavailable, undefined);
    assert.equal(refused.states[refused.binding]?.bound, limits[0]);
    assert.equal(refused.states[refused.binding]?.retryAfterMs, MINUTE);
  }
});

test('R12: localShare: a burst is shared like the amount, and places of concurrency come back', async () => {
  const at = scene();
  await at.lose();
  const bucket = bind(limitOf(60, { kind: 'tokenBucket', windowMs: MINUTE, burst: 20 }, { id: 'bucket' }));
  assert.equal(atOnce(at, 'r1', [bucket], demand(5)).admitted, true);
  assert.equal(atOnce(at, 'r2', [bucket], demand(1)).admitted, false);
  const parallel = [bind(limitOf(4, { kind: 'concurrency', leaseMs: MINUTE }, { id: 'parallel' }))];
  assert.equal(atOnce(at, 'p1', parallel).admitted, true);
  assert.equal(atOnce(at, 'p2', parallel).admitted, false);
  at.guard.settle('p1', amounts(1));
  assert.equal(atOnce(at, 'p3', parallel).admitted, true);
});

test('R12: localShare: what only the whole limit could admit is refused for now, not for ever', async () => {
  const at = scene();
  await at.lose();
  const forNow = atOnce(at, 'r1', [perMinute(100)], demand(60));
  assert.ok(!forNow.admitted && forNow.unavailable);
  assert.ok(forNow.states[forNow.binding]!.retryAfterMs <= 2000);
  const forEver = atOnce(at, 'r2', [perMinute(100)], demand(101));
  assert.ok(!forEver.admitted && !forEver.unavailable);
  assert.equal(forEver.states[forEver.binding]?.retryAfterMs, Number.POSITIVE_INFINITY);
});

test('R12: closed: refused because of the store, with the time until it is asked again', async () => {
  const at = scene();
  await at.lose();
  const refused = atOnce(at, 'r1', [perMinute(100), yearly('closed')]);
  assert.ok(!refused.admitted && refused.unavailable);
  assert.equal(refused.binding, 1);
  assert.equal(refused.states[1]?.retryAfterMs, BREAKER.coolDownMs - TIMEOUT_MS);
  await at.pass(200);
  const later = atOnce(at, 'r2', [yearly('closed')]);
  assert.equal(later.states[0]?.retryAfterMs, BREAKER.coolDownMs - TIMEOUT_MS - 200);
  assert.equal(atOnce(at, 'r3', [yearly('closed')], demand(0)).admitted, true, 'what asks nothing of it passes');
});

test('R12: closed: the first requests that the store does not answer are refused as well', async () => {
  const at = scene();
  at.remote.fault = { kind: 'error' };
  const refused = await at.guard.reserve('r1', [yearly('closed')], demand(1));
  assert.ok(!refused.admitted && refused.unavailable);
  assert.equal(at.guard.degraded, 0);
});

test('R12: open: everything passes', async () => {
  const at = scene();
  await at.lose();
  for (let count = 0; count < 50; count++) {
    const decision = atOnce(at, `r${count}`, [yearly('open')], demand(600));
    assert.ok(decision.admitted);
    assert.equal(decision.states[0]?.taken, 600);
  }
});

test('R12 R28: a request is refused by one of its limits and takes nothing of the others, whatever their policies', async () => {
  const at = scene();
  await at.lose();
  const share = perMinute(8);
  assert.equal(atOnce(at, 'r1', [yearly('open'), share, yearly('closed')]).admitted, false);
  assert.equal(atOnce(at, 'r2', [share, perMinute(4, { id: 'small' })], demand(2)).admitted, false);
  assert.equal(atOnce(at, 'r3', [share], demand(2)).admitted, true);
  assert.equal(await at.guard.held(), 1);
});

test('R12: a limit that only reports refuses nothing, whatever its policy', async () => {
  const at = scene();
  await at.lose();
  const limits = [yearly('closed', { onExceed: 'report' }), perMinute(4, { onExceed: 'report' })];
  assert.ok(atOnce(at, 'r1', limits, demand(50)).admitted);
});

test('R12: a stream that the store admitted is extended here during an outage, by the policies of its limits', async () => {
  for (const [policy, first, second] of [
    ['localShare', true, false],
    ['closed', false, false],
    ['open', true, true],
  ] as const) {
    const at = scene();
    const limits = [yearly(policy, {}, 400)];
    await at.guard.reserve('stream', limits, demand(10));
    await at.lose();
    assert.equal((await at.guard.extend('stream', 1, amounts(90)))?.admitted, first, policy);
    assert.equal((await at.guard.extend('stream', 2, amounts(90)))?.admitted, second, policy);
    if (policy === 'localShare') {
      const [state] = await at.guard.read(limits);
      assert.deepEqual([state?.used, state?.reserved], [90, 0], 'counted as used here');
    }
    assert.equal(await at.guard.extend('unknown', 1, amounts(90)), null);
    assert.equal(await at.guard.settle('stream', amounts(150)), true);
    await at.restore();
    assert.equal(at.remote.memory.read(limits)[0]?.used, 150);
  }
});

test('R12: a stream that was admitted here is extended here, also when the store is back', async () => {
  const at = scene();
  await at.lose();
  const limits = [yearly('localShare', {}, 400)];
  assert.ok(atOnce(at, 'stream', limits, demand(60)).admitted);
  await at.restore();
  assert.equal((await at.guard.extend('stream', 1, amounts(40)))?.admitted, true);
  assert.equal((await at.guard.extend('stream', 2, amounts(1)))?.admitted, false);
  assert.equal(await at.guard.settle('stream', amounts(100)), true);
  await at.pass(0);
  assert.equal(at.remote.memory.read(limits)[0]?.used, 100);
});

test('R12: what an error of the store says is not logged, unless it is known to hold no secret', async () => {
  const at = scene();
  at.remote.settle = () => Promise.reject(new Error('WRONGPASS for key sk-secret'));
  for (let count = 0; count < 3; count++) await at.guard.settle(`r${count}`, amounts(1));
  assert.deepEqual(at.lines[0]?.fields, { cause: 'Error' });
});

test('R12: a timer that fires a little early delays the probe and does not end it', async () => {
  const at = scene();
  await at.lose();
  at.clock.monotonic = () => at.clock.now() - 1;
  await at.restore();
});
