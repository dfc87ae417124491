import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { type Fleet, startFleet } from '../fakes/fleet.ts';
import { needsRedis, type RedisServer, startRedis } from '../fakes/redis-server.ts';
import { scrape } from '../fakes/scrape.ts';
import { eventually } from './eventually.ts';
import { assertExpiring } from './held-fleet.ts';

const CALLERS = 40;

let redis: RedisServer | null = null;
beforeEach(async () => {
  redis ??= needsRedis.skip === false ? await startRedis() : null;
  redis?.cli('flushall');
});
after(async () => await redis?.[Symbol.asyncDispose]());

/** Keeps so many calls under way until `enough`; how many were admitted. */
async function keepAsking(fleet: Fleet, enough: (admitted: number, asked: number) => boolean): Promise<number> {
  let asked = 0;
  let admitted = 0;
  const caller = async (): Promise<void> => {
    while (!enough(admitted, asked)) {
      asked++;
      const { status } = await fleet.ask();
      assert.ok(status === 200 || status === 429, String(status));
      if (status === 200) admitted++;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return admitted;
}

test(
  'R5: in leased mode 4 processes admit exactly the amount of a hot key, wherever its parts are, and never more',
  needsRedis,
  async () => {
    const amount = 1000;
    const store = redis!;
    await using fleet = await startFleet({ store, limits: `[ { requests: ${amount}/hour, mode: leased } ]` });
    await keepAsking(fleet, (admitted) => admitted >= amount);
    assert.equal(fleet.provider.book.totals.requests, amount);
    const more = await keepAsking(fleet, (_, asked) => asked >= 400);
    assert.deepEqual([more, fleet.provider.book.totals.requests], [0, amount]);
    await eventually('all parts are handed back', async () => {
      return (await fleet.states()).every(({ used, reserved }) => used === amount && reserved === 0);
    });
    await assertExpiring([store]);
  },
);

test(
  'R5: in leased mode the same holds when a process dies with a part: it counts, and the rest is admitted',
  needsRedis,
  async () => {
    const amount = 600;
    const store = redis!;
    await using fleet = await startFleet({
      ...{ store, lease: '2s', orphans: 'charge' },
      limits: `[ { requests: ${amount}/hour, mode: leased } ]`,
    });
    await keepAsking(fleet, (admitted) => admitted >= amount / 4);
    await fleet.kill(0);
    let used = 0;
    await eventually('nothing is left to take', async () => {
      await keepAsking(fleet, (_, asked) => asked >= 4 * CALLERS);
      const [state] = await fleet.states();
      used = state!.used;
      return used >= amount && state!.reserved === 0;
    });
    assert.equal(used, amount);
    assert.ok(fleet.provider.book.totals.requests <= amount);
    assert.ok(fleet.provider.book.totals.requests >= amount / 2, 'most of it was admitted');
    await assertExpiring([store]);
  },
);

test('R5: in leased mode a hot key costs less than one command to the store for 20 requests', needsRedis, async () => {
  const requests = 4000;
  const store = redis!;
  await using fleet = await startFleet({ store, limits: '[ { requests: 100k/minute, mode: leased } ]' });
  const sent = async (): Promise<number> => {
    const all = await Promise.all(fleet.gateways.map(({ adminUrl }) => scrape(adminUrl)));
    return all.reduce((sum, metrics) => sum + metrics.get('headgate_limits_round_trips_total')!, 0);
  };
  const before = await sent();
  const admitted = await keepAsking(fleet, (_, asked) => asked >= requests);
  const commands = (await sent()) - before;
  assert.ok(admitted >= requests);
  assert.ok(commands < requests / 20, `${commands} commands`);
  await assertExpiring([store]);
});
