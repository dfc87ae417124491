import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fleet, startFleet } from '../fakes/fleet.ts';
import { needsRedis, type RedisSentinels, startSentinel } from '../fakes/redis-server.ts';
import { scrape } from '../fakes/scrape.ts';
import { errorOf } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { eventually } from './eventually.ts';
import { assertExpiring, settled } from './held-fleet.ts';

const AMOUNT = 200;
/** Nothing is let through unseen, so whatever passes was admitted by one master or the other. */
const LIMITS = `[ { requests: ${AMOUNT}/hour, onStoreError: closed } ]`;
const CALLERS = 8;

interface Counts {
  admitted: number;
  limited: number;
  /** Refused since the store did not answer. */
  unavailable: number;
}

/** Keeps calls under way, whatever becomes of them, until `enough`. */
async function keepAsking(fleet: Fleet, enough: (counts: Counts) => boolean): Promise<Counts> {
  const counts: Counts = { admitted: 0, limited: 0, unavailable: 0 };
  const caller = async (): Promise<void> => {
    while (!enough(counts)) {
      const received = await fleet.ask();
      if (received.status === 200) counts.admitted++;
      else if (received.status === 429) counts.limited++;
      else {
        assert.deepEqual([received.status, errorOf(received).code], [503, 'limits_unavailable']);
        counts.unavailable++;
      }
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return counts;
}

/** Waits until every gateway uses the new master and has told it everything. */
async function tookOver(fleet: Fleet, { replica }: RedisSentinels): Promise<void> {
  await eventually('the replica is the master', async () => replica.cli('role').startsWith('master'));
  await eventually('every gateway uses it', async () => {
    const all = await Promise.all(fleet.gateways.map(({ adminUrl }) => scrape(adminUrl)));
    return all.every((metrics) => {
      return metrics.get('headgate_limits_degraded') === 0 && metrics.get('headgate_limits_pending') === 0;
    });
  });
  await eventually('so does the test', () =>
    fleet.states().then(
      () => true,
      () => false,
    ),
  );
}

test(
  'R5, R41: behind Sentinels: when the master dies after its replica has all of it, 4 processes admit exactly the amount, and go on by themselves',
  needsRedis,
  async () => {
    await using sentinels = await startSentinel();
    const { master, replica } = sentinels;
    await using fleet = await startFleet({ store: sentinels, limits: LIMITS });
    const half = await keepAsking(fleet, ({ admitted }) => admitted >= AMOUNT / 2);
    assert.equal(half.unavailable, 0);
    assert.deepEqual(await settled(fleet), [half.admitted]);
    const offset = () => /master_repl_offset:(\d+)/.exec(master.cli('info', 'replication'))?.[1];
    await until('the replica has all of it', () =>
      replica.cli('info', 'replication').includes(`slave_repl_offset:${offset()}`),
    );
    await master.kill();

    // What is asked meanwhile is refused, and begins to pass when the gateways have found the new master.
    const rest = await keepAsking(fleet, ({ limited }) => limited >= 100);
    assert.ok(rest.unavailable > 0);
    assert.equal(half.admitted + rest.admitted, AMOUNT);
    assert.equal(fleet.provider.book.totals.requests, AMOUNT);
    await tookOver(fleet, sentinels);
    assert.deepEqual(await settled(fleet), [AMOUNT]);
    await assertExpiring([replica]);
  },
);

test(
  'R5, R41: behind Sentinels: when the master dies under load, no more is admitted than the amount and what it had not yet sent',
  needsRedis,
  async (t) => {
    await using sentinels = await startSentinel();
    const { master, replica } = sentinels;
    await using fleet = await startFleet({ store: sentinels, limits: LIMITS });
    let isDead = false;
    const under = keepAsking(fleet, () => isDead);
    await until('it is well under load', () => fleet.provider.book.totals.requests >= AMOUNT / 4);
    await master.kill();
    isDead = true;
    const before = await under;
    await tookOver(fleet, sentinels);
    const [state] = await fleet.states();
    const unsent = before.admitted - (state!.used + state!.reserved);
    t.diagnostic(`${before.admitted} admitted by the lost master, ${unsent} of them not yet sent`);
    assert.ok(before.admitted < AMOUNT && unsent >= 0 && unsent <= before.admitted);

    const after = await keepAsking(fleet, ({ limited }) => limited >= 100);
    assert.equal(before.admitted + after.admitted, AMOUNT + unsent);
    assert.equal(fleet.provider.book.totals.requests, AMOUNT + unsent);
    await assertExpiring([replica]);
  },
);
