import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startFleet } from '../fakes/fleet.ts';
import { callOf } from '../fakes/flood.ts';
import { needsRedis, type RedisCluster, startCluster } from '../fakes/redis-server.ts';
import { errorOf } from '../fakes/stand.ts';
import { eventually } from './eventually.ts';
import { assertExpiring, flood, settled, startHeldFleet } from './held-fleet.ts';

let starting: Promise<RedisCluster> | null = null;
after(async () => await (await starting)?.[Symbol.asyncDispose]());

async function emptyCluster(): Promise<RedisCluster> {
  starting ??= startCluster();
  const cluster = await starting;
  for (const node of cluster.nodes) node.cli('flushall');
  return cluster;
}

/** A place in which a limit of the same kind is counted: each in a shard of its own, asked in this order. */
type Place = 'organization' | 'model' | 'tier';
const PLACES: readonly Place[] = ['organization', 'model', 'tier'];

interface Written {
  readonly limits: string;
  readonly model: string;
}

function written(limit: (place: Place) => string): Written {
  return {
    limits: `[ { ${limit('organization')}, per: organization }, { ${limit('tier')}, per: tier } ]`,
    model: `limits: [ { ${limit('model')} } ]`,
  };
}

for (const binding of PLACES) {
  const title = `of 400 requests to 4 processes exactly 100 pass when the ${binding} allows fewest, and no other counter keeps what it refused`;
  test(`R5, R28, R41: in a Cluster of 3: ${title}`, needsRedis, async () => {
    const store = await emptyCluster();
    const config = written((place) => `requests: ${place === binding ? 100 : 150}/minute`);
    await using fleet = await startFleet({ store, ...config });
    const received = await Promise.all(Array.from({ length: 400 }, () => fleet.ask()));
    const refused = received.filter(({ status }) => status === 429);
    assert.deepEqual([fleet.provider.book.totals.requests, refused.length], [100, 300]);
    assert.deepEqual(await settled(fleet), [100, 100, 100]);
    // Who was refused by what a later place then gave back is refused for that no longer.
    await eventually('the limit that is used up is the one that binds', async () => {
      const refusal = await fleet.ask();
      assert.equal(refusal.status, 429);
      return errorOf(refusal).headgate['per'] === binding;
    });
    await assertExpiring(store.nodes);
  });
}

test(
  'R1, R28, R41: in a Cluster of 3: a refusal by a place, a budget or tokens of a later shard gives back what earlier ones reserved',
  needsRedis,
  async () => {
    const store = await emptyCluster();
    const limits =
      '[ { cost: 1 USD/month, per: organization }, { tokens: 1M/month, per: organization }, { concurrency: 300, per: organization }, { concurrency: 7, per: tier } ]';
    await using held = await startHeldFleet({ store, limits, model: 'limits: [ { tokens: 1M/minute } ]' });
    await flood(held, 200, 7, 'concurrency_exceeded', { body: callOf(60, 50) });
    const { promptTokens, generatedTokens } = held.fleet.provider.book.totals;
    const tokens = promptTokens + generatedTokens;
    const used = new Map(
      (await settled(held.fleet)).map((each, nth) => [held.fleet.caller.limits.every()[nth]!.limit.id, each]),
    );
    assert.deepEqual(Object.fromEntries(used), {
      'pro.cost-per-month': (promptTokens * 1 + generatedTokens * 2) * 1000,
      'pro.tokens-per-month': tokens,
      'pro.concurrency': 0,
      'pro.concurrency-2': 0,
      'model:m.tokens-per-minute': tokens,
    });
    await assertExpiring(store.nodes);
  },
);
