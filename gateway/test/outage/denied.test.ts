import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { needsRedis } from '../fakes/redis-server.ts';
import { setScene, untilTrue } from './scene.ts';

test('R12 R27: a refused key costs no round trip until its retry time, and passes then', needsRedis, async () => {
  await using scene = await setScene({ limits: '[ { requests: 3/4s } ]' });
  for (let count = 0; count < 3; count++) assert.equal((await scene.ask()).status, 200);
  const askedAt = systemClock.monotonic();
  const refused = await scene.ask();
  const refusedAt = systemClock.monotonic();
  assert.equal(refused.status, 429);
  const retryAfterMs = Number(refused.headers['retry-after-ms']);
  assert.ok(retryAfterMs > 0 && retryAfterMs <= 4000, `retry-after-ms ${retryAfterMs}`);

  const sent = await scene.metric('limits_round_trips_total');
  for (let count = 0; count < 100; count++) {
    const from = systemClock.monotonic();
    const again = await scene.ask();
    assert.equal(again.status, 429);
    const waitMs = Number(again.headers['retry-after-ms']);
    // The same instant, as far as one can tell from outside.
    assert.ok(systemClock.monotonic() + waitMs >= askedAt + retryAfterMs);
    assert.ok(from + waitMs <= refusedAt + retryAfterMs + 1);
  }
  assert.equal(await scene.metric('limits_round_trips_total'), sent);
  assert.equal(await scene.metric('limits_denied_locally_total'), 100);

  await untilTrue('the retry time has come', async () => systemClock.monotonic() >= refusedAt + retryAfterMs);
  assert.equal((await scene.ask()).status, 200);
  assert.equal(await scene.metric('limits_round_trips_total'), sent + 2);
  assert.equal(scene.provider.book.totals.requests, 4);
});
