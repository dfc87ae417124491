/** R53: which window it is follows from the clock alone, in the customer's time zone; nothing has to run when it turns. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { startProvider } from '../../src/provider/server.ts';
import { plainConfig, startTestGateway } from '../fakes/gateway.ts';
import { askGateway, errorOf, startStand } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const TURNS = [
  {
    what: 'a minute',
    limit: '1/minute, algorithm: calendar',
    at: '2026-11-21T12:00:59.999Z',
    turns: '2026-11-21T12:01:00Z',
  },
  {
    what: 'an hour in a zone of half hours',
    limit: '1/hour, algorithm: calendar, timeZone: Asia/Kolkata',
    at: '2026-11-21T12:10:00Z',
    turns: '2026-11-21T12:30:00Z',
  },
  { what: 'a day in UTC', limit: '1/day', at: '2026-11-21T12:00:00Z', turns: '2026-11-22T00:00:00Z' },
  {
    what: 'a day in Paris',
    limit: '1/day, timeZone: Europe/Paris',
    at: '2026-11-21T12:00:00Z',
    turns: '2026-11-21T23:00:00Z',
  },
  {
    what: 'a day that is 23 hours long',
    limit: '1/day, timeZone: Europe/Paris',
    at: '2026-03-28T23:00:00Z',
    turns: '2026-03-29T22:00:00Z',
  },
  {
    what: 'a day that is 25 hours long',
    limit: '1/day, timeZone: Europe/Paris',
    at: '2026-10-24T22:00:00Z',
    turns: '2026-10-25T23:00:00Z',
  },
  { what: 'a week from Monday', limit: '1/week', at: '2026-11-21T12:00:00Z', turns: '2026-11-23T00:00:00Z' },
  {
    what: 'a week from Sunday in New York',
    limit: '1/week, weekStart: sunday, timeZone: America/New_York',
    at: '2026-11-21T12:00:00Z',
    turns: '2026-11-22T05:00:00Z',
  },
  { what: 'a month', limit: '1/month', at: '2028-02-01T00:00:00Z', turns: '2028-03-01T00:00:00Z' },
  {
    what: 'a month from the 15th',
    limit: '1/month, anchorDay: 15',
    at: '2026-11-21T12:00:00Z',
    turns: '2026-12-15T00:00:00Z',
  },
  {
    what: 'a month from the 31st, to where there is none',
    limit: '1/month, anchorDay: 31',
    at: '2027-01-31T00:00:00Z',
    turns: '2027-02-28T00:00:00Z',
  },
  {
    what: 'a month from the 31st, from where there is none',
    limit: '1/month, anchorDay: 31',
    at: '2027-02-28T00:00:00Z',
    turns: '2027-03-31T00:00:00Z',
  },
  {
    what: 'a year from the 15th in Auckland',
    limit: '1/year, anchorDay: 15, timeZone: Pacific/Auckland',
    at: '2026-11-21T12:00:00Z',
    turns: '2027-01-14T11:00:00Z',
  },
] as const;

for (const { what, limit, at, turns } of TURNS) {
  test(`R53: a quota of ${what} is there again at its first instant, and not a millisecond before`, async () => {
    const clock = new VirtualClock(Date.parse(at));
    await using stand = await startStand({ clock, limits: `[ { requests: ${limit} } ]` });
    assert.equal((await stand.ask()).status, 200);
    const refused = await stand.ask();
    assert.equal(refused.status, 429);
    assert.equal(errorOf(refused).headgate['resetsAt'], new Date(turns).toISOString());
    clock.step(Date.parse(turns) - clock.now() - 1);
    assert.equal((await stand.ask()).status, 429);
    clock.step(1);
    assert.equal((await stand.ask()).status, 200);
    assert.equal((await stand.ask()).status, 429);
  });
}

test('R53: what was reserved before the window turned is settled into that window, and the new one is whole', async () => {
  const clock = new VirtualClock(Date.parse('2026-11-21T23:59:59Z'));
  const held = new VirtualClock();
  await using stand = await startStand({
    clock,
    limits: '[ { outputTokens: 10/day } ]',
    providers: [{ clock: held, script: () => ({ faults: [{ kind: 'delay', ms: 1000 }] }) }],
  });
  const body = { model: 'm', max_tokens: 10, messages: [{ role: 'user', content: 'hello' }] };
  const before = stand.ask({ body });
  await until('it runs', () => stand.seen === 1);
  clock.step(1000);
  const after = stand.ask({ body });
  await until('the new window has room for all of it', () => stand.seen === 2);
  held.advance(1000);
  for (const { status } of [await before, await after]) assert.equal(status, 200);
  await until('both are settled', () => stand.gateway.running === 0);
  const [caller] = [...stand.gateway.config.current.callersByHash.values()];
  const [state] = await stand.gateway.limits.read(caller!.limits.every());
  assert.deepEqual([state!.used, state!.reserved], [10, 0]);
  assert.equal((await stand.ask({ body })).status, 429);
});

test('R53: a gateway that is down when the window turns changes nothing, nor does one that is restarted within it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-test-'));
  const provider = await startProvider({ clock: systemClock });
  const yaml = plainConfig({
    providers: [provider.url],
    limits: '[ { requests: 2/month, per: organization, timeZone: Europe/Paris, anchorDay: 20 } ]',
  });
  const clock = new VirtualClock(Date.parse('2026-11-20T12:00:00Z'));
  /** The statuses of so many calls to a gateway that is started for them. */
  const statuses = async (calls: number) => {
    await using gateway = await startTestGateway({ yaml, clock, directory });
    const seen = [];
    for (let call = 0; call < calls; call++) seen.push((await askGateway(gateway.dataUrl, {})).status);
    return seen;
  };
  try {
    assert.deepEqual(await statuses(1), [200]);
    clock.step(86_400_000);
    assert.deepEqual(await statuses(2), [200, 429]);
    clock.step(Date.parse('2026-12-19T22:59:59.999Z') - clock.now());
    assert.deepEqual(await statuses(1), [429]);
    clock.step(1);
    assert.deepEqual(await statuses(3), [200, 200, 429]);
    clock.step(Date.parse('2027-06-01T00:00:00Z') - clock.now());
    assert.deepEqual(await statuses(1), [200]);
  } finally {
    await provider.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
