import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LimitState } from '../../src/stores/limit-store.ts';
import type { ChildGateway } from '../fakes/child-gateway.ts';
import { type Fleet, startFleet } from '../fakes/fleet.ts';
import { needsRedis } from '../fakes/redis-server.ts';
import { sumFor } from '../fakes/scene.ts';
import { scrape } from '../fakes/scrape.ts';
import { askGateway } from '../fakes/stand.ts';
import { type RestartableRedis, startRestartableRedis } from './restartable-redis.ts';
import { TIMEOUT_MS, untilTrue } from './scene.ts';

const PROCESSES = 3;
/** They know of each other after a sweep, which comes eight times in a lease. */
const LEASE = '8s';

async function metricOf({ adminUrl }: ChildGateway, name: string): Promise<number | undefined> {
  return (await scrape(adminUrl)).get(`headgate_${name}`);
}

async function untilAll(fleet: Fleet, what: string, name: string, value: number): Promise<void> {
  await untilTrue(what, async () => {
    const values = await Promise.all(fleet.gateways.map((gateway) => metricOf(gateway, name)));
    return values.every((each) => each === value);
  });
}

/** The lines about the limit store, of each gateway. */
function levels({ gateways }: Fleet): readonly (readonly number[])[] {
  return gateways.map(({ log }) =>
    log.filter((line) => line.includes('limit store')).map((line) => (JSON.parse(line) as { level: number }).level),
  );
}

const WAYS: Readonly<
  Record<string, { begin(redis: RestartableRedis): unknown; end(redis: RestartableRedis): unknown }>
> = {
  stopped: { begin: (redis) => redis.kill(), end: (redis) => redis.restart('as it was') },
  paused: { begin: (redis) => redis.pause(), end: (redis) => redis.resume() },
};

for (const [what, { begin, end }] of Object.entries(WAYS)) {
  test(
    `R12: with Redis ${what}, ${PROCESSES} gateways admit a third of a limit each, and Redis counts all of it afterwards`,
    needsRedis,
    async () => {
      await using redis = await startRestartableRedis();
      await using fleet = await startFleet({
        store: redis,
        processes: PROCESSES,
        lease: LEASE,
        timeout: `${TIMEOUT_MS}ms`,
        limits: '[ { requests: 30/hour, onStoreError: localShare }, { tokens: 1M/hour }, { concurrency: 100 } ]',
      });
      await untilAll(fleet, 'they know of each other', 'limits_processes', PROCESSES);
      for (let count = 0; count < 6; count++) assert.equal((await fleet.ask()).status, 200);

      await begin(redis);
      const byGateway = await Promise.all(
        fleet.gateways.map(async ({ dataUrl }) => {
          const all = await Promise.all(Array.from({ length: 25 }, () => askGateway(dataUrl, {})));
          return all.filter(({ status }) => status === 200).length;
        }),
      );
      assert.deepEqual(
        byGateway,
        Array.from({ length: PROCESSES }, () => 30 / PROCESSES),
      );
      await untilAll(fleet, 'each has given it up', 'limits_degraded', 1);

      await end(redis);
      await untilAll(fleet, 'each uses it again', 'limits_degraded', 0);
      await untilAll(fleet, 'all is delivered', 'limits_pending', 0);
      assert.equal((await fleet.ask()).status, 429, '36 of 30 are used');
      await untilTrue('it is logged', async () => levels(fleet).every(({ length }) => length >= 2));
      assert.deepEqual(
        levels(fleet),
        Array.from({ length: PROCESSES }, () => [50, 30]),
      );

      let states: readonly LimitState[] = [];
      await untilTrue("the test's own connection is back", async () => {
        states = await fleet.states().catch(() => []);
        return states.length > 0;
      });
      assert.equal(await fleet.store.held(), 0);
      const records = (await fleet.records()).flat();
      assert.equal(records.filter(({ admitted }) => admitted).length, 36);
      for (const state of states) {
        assert.equal(state.reserved, 0);
        assert.equal(state.used, sumFor(records, state), state.bound.limit.id);
      }
    },
  );
}
