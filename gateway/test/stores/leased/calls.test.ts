import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CALENDAR_START, type Limit } from '../../../src/policy/limit.ts';
import { bind, demand, limitOf } from '../../policy/limits.ts';
import { Processes, request } from './processes.ts';

const MINUTE = 60_000;
const perMinute = (amount: number, over: Partial<Limit> = {}) =>
  limitOf(amount, { kind: 'slidingWindow', windowMs: MINUTE }, { sharing: 'leased', ...over });
const bucket = (perSecond: number, burst: number) =>
  limitOf(perSecond, { kind: 'tokenBucket', windowMs: 1000, burst }, { sharing: 'leased' });
const calendar = (amount: number) =>
  limitOf(
    amount,
    { kind: 'calendar', period: 'minute', timeZone: 'UTC', start: CALENDAR_START },
    { sharing: 'leased' },
  );

/** So many requests a millisecond to each process in turn, for `seconds`; how many passed. */
async function flood(processes: Processes, limit: Limit, perMs: number, seconds: number): Promise<number> {
  const limits = [bind(limit)];
  let passed = 0;
  let sent = 0;
  for (let ms = 0; ms < seconds * 1000; ms++) {
    const batch = [];
    for (let count = 0; count < perMs; count++, sent++) {
      batch.push(request(processes.all[sent % processes.all.length]!, `r${sent}`, limits));
    }
    for (const decision of await Promise.all(batch)) if (decision.admitted) passed++;
    await processes.advance(1);
  }
  return passed;
}

const hot: [string, Limit, number, number][] = [
  ['far below its limit', perMinute(1_000_000), 4, 16_000],
  ['that uses up a window', perMinute(3000), 4, 3000],
  ['that uses up a day early in it', calendar(2000), 4, 2000],
  ['at three times the rate of a bucket', bucket(1000, 200), 3, 4000 + 200 - 1],
];
for (const [what, limit, perMs, passes] of hot) {
  test(`R5: a hot key ${what} asks the store at most once in 20 requests, and is admitted all that it may have`, async () => {
    const processes = new Processes(2);
    const passed = await flood(processes, limit, perMs, 4);
    assert.ok(processes.calls * 20 <= 4000 * perMs, `${processes.calls} calls for ${4000 * perMs} requests`);
    assert.ok(passed <= passes, `${passed} passed of ${passes}`);
    assert.ok(passed >= passes * 0.97, `${passed} passed of ${passes}`);
  });
}

test('a request whose limits are all leased and covered is answered at once', async () => {
  const processes = new Processes(1);
  const limits = [bind(perMinute(1000)), bind(bucket(1000, 1000), 'acme')];
  for (let count = 0; count < 40; count++) await request(processes.all[0]!, `r${count}`, limits);
  const { leased, far } = processes.all[0]!;
  const before = far.calls.length;
  const decision = leased.reserve('now', limits, demand(1));
  assert.ok(!(decision instanceof Promise) && decision.admitted);
  assert.equal(far.calls.length, before);
});

test('requests that find nothing left wait for the one call under way', async () => {
  const processes = new Processes(1, {}, 5);
  const limits = [bind(perMinute(100_000))];
  const { leased, far } = processes.all[0]!;
  const waiting = Array.from({ length: 500 }, (_, count) => leased.reserve(`r${count}`, limits, demand(3)));
  await processes.advance(30, 5);
  const decisions = await Promise.all(waiting);
  assert.ok(decisions.every(({ admitted }) => admitted));
  assert.deepEqual(
    far.calls.filter((call) => call === 'lock'),
    ['lock', 'lock'],
    'one for the first, one for everybody else',
  );
});

test('more is locked before a part is used up, so that nobody waits for it', async () => {
  const processes = new Processes(1, {}, 5);
  const { leased } = processes.all[0]!;
  const limits = [bind(perMinute(1_000_000))];
  let waited = 0;
  for (let ms = 0; ms < 6000; ms++) {
    const decision = leased.reserve(`r${ms}`, limits, demand(1));
    if (decision instanceof Promise && ms > 3000) waited++;
    await processes.advance(1);
  }
  assert.equal(waited, 0);
});

test('a refused request costs no call until the time it was told, which holds', async () => {
  const processes = new Processes(1);
  const [one] = processes.all;
  const limits = [bind(perMinute(5))];
  for (let count = 0; count < 5; count++) assert.ok((await request(one!, `r${count}`, limits)).admitted);
  const refused = await request(one!, 'over', limits);
  assert.ok(!refused.admitted);
  const wait = refused.states[0]!.retryAfterMs;
  const before = one!.far.calls.length;
  await processes.advance(wait - 1);
  assert.ok(!(await request(one!, 'early', limits)).admitted);
  assert.equal(
    one!.far.calls.filter((call) => call === 'lock').length,
    before - countOf(one!.far.calls.slice(0, before), 'unlock'),
  );
  await processes.advance(1);
  assert.ok((await request(one!, 'in time', limits)).admitted);
});

function countOf(calls: readonly string[], name: string): number {
  return calls.filter((call) => call === name).length;
}
