import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEST_KEY } from '../fakes/gateway.ts';
import { type Exchange, exchange } from '../fakes/http-client.ts';
import { needsRedis } from '../fakes/redis-server.ts';
import { until } from '../fakes/until.ts';
import { assertCounted, COUNTED, LEASED, settled } from './books.ts';
import { FAULTS } from './faults.ts';
import { type Scene, setScene, untilTrue } from './scene.ts';

/** A stream of `tokens` that come one in `paceMs` of the provider's clock; it has begun when this resolves. */
async function stream({ gateway }: Scene, tokens: number, paceMs: number): Promise<Exchange> {
  const sent = exchange({
    url: gateway.dataUrl,
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${TEST_KEY}` },
    body: { model: 'm', stream: true, max_tokens: tokens, messages: [{ role: 'user', content: `pace ${paceMs}` }] },
  });
  assert.equal(await sent.headers, 200);
  return sent;
}

async function calls({ ask }: Scene, count: number): Promise<void> {
  const all = await Promise.all(Array.from({ length: count }, () => ask()));
  for (const { status } of all) assert.equal(status, 200);
}

/** A second on the provider's clock: streams of pace 100 have 10 tokens more. */
async function aSecond({ streams }: Scene): Promise<void> {
  streams.advance(1000);
}

/** Everything that can span an outage does: it was admitted before, in or after it, and ends in it or after it. */
async function spanOutage(scene: Scene, begin: () => unknown, end: () => unknown): Promise<void> {
  await calls(scene, 5);
  const endsWithin = await stream(scene, 10, 100);
  const leavesWithin = await stream(scene, 1000, 100);
  const spans = await stream(scene, 25, 100);
  await begin();
  // Some of these Redis took and answered too late, some it never saw.
  await calls(scene, 10);
  await untilTrue('Redis is given up', async () => (await scene.metric('limits_degraded')) === 1);
  await calls(scene, 5);
  const within = await stream(scene, 10, 100);
  const endsAfter = await stream(scene, 15, 100);
  await aSecond(scene);
  leavesWithin.abort();
  for (const over of [endsWithin, within]) assert.equal((await over.done).closed, 'end');
  await until('only two streams run', () => scene.gateway.running === 2);
  assert.ok((await scene.metric('limits_pending')) > 0);
  await end();
  await untilTrue('Redis answers', async () => (await scene.metric('limits_degraded')) === 0);
  await calls(scene, 5);
  await aSecond(scene);
  await aSecond(scene);
  for (const over of [spans, endsAfter]) assert.equal((await over.done).closed, 'end');
}

for (const what of ['stopped', 'paused', '2 s slow', 'out of memory']) {
  test(
    `R12 R2: leased limits: with Redis ${what} and back, it has counted everything, each once`,
    needsRedis,
    async () => {
      const fault = FAULTS[what]!;
      await using scene = await setScene({ limits: LEASED });
      await spanOutage(
        scene,
        () => fault.begin(scene),
        () => fault.end(scene),
      );
      await assertCounted(scene, await settled(scene));
    },
  );
}

for (const [what, fault] of Object.entries(FAULTS)) {
  test(
    `R12 R2: with Redis ${what} and back, it has counted everything that was admitted, each once, and holds nothing`,
    needsRedis,
    async () => {
      await using scene = await setScene({ limits: COUNTED });
      await spanOutage(
        scene,
        () => fault.begin(scene),
        () => fault.end(scene),
      );
      const records = await settled(scene);
      assert.equal(records.length, 30);
      assert.ok(records.every(({ admitted }) => admitted));
      await assertCounted(scene, records);
    },
  );
}

test('R12: outage after outage, of every kind, nothing is lost and nothing counts twice', needsRedis, async () => {
  await using scene = await setScene({ limits: COUNTED });
  for (const fault of Object.values(FAULTS)) {
    const long = await stream(scene, 5, 100);
    await fault.begin(scene);
    await calls(scene, 8);
    await fault.end(scene);
    await calls(scene, 8);
    await aSecond(scene);
    await long.done;
    await untilTrue('Redis answers', async () => (await scene.metric('limits_degraded')) === 0);
  }
  const records = await settled(scene);
  assert.equal(records.length, 17 * Object.keys(FAULTS).length);
  await assertCounted(scene, records);
});

test(
  'R12: a Redis that comes back empty counts from then on what was admitted without it, and nothing from before',
  needsRedis,
  async () => {
    await using scene = await setScene({ limits: COUNTED });
    let lostAt = 0;
    await spanOutage(
      scene,
      async () => {
        await scene.redis.kill();
        lostAt = Date.now();
      },
      () => scene.redis.restart('empty'),
    );
    const records = await settled(scene);
    assert.equal(records.length, 30);
    const since = records.filter(({ at }) => at >= lostAt);
    assert.equal(since.length, 22);
    await assertCounted(scene, since);
  },
);
