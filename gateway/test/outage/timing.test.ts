import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { needsRedis } from '../fakes/redis-server.ts';
import { FAULTS } from './faults.ts';
import { RECOVERY_MS, type Scene, setScene, TIMEOUT_MS, untilTrue } from './scene.ts';

const WIDE = '[ { requests: 1M/hour }, { tokens: 100M/hour }, { concurrency: 1000 } ]';

/** What a busy machine may add to any one request. */
const MARGIN_MS = 500;
const ADDED_P99_MS = 100;
const COUNT = 300;
/** Other work on the machine slows some requests down; a gateway that waits for its store slows them all, each time. */
const TRIES = 3;

/** Milliseconds from the request to its whole answer, which is a success. */
async function timeOne({ ask }: Scene): Promise<number> {
  const from = systemClock.monotonic();
  const { status } = await ask();
  assert.equal(status, 200);
  return systemClock.monotonic() - from;
}

/** Of `COUNT` requests, three at a time. */
async function timesOf(scene: Scene): Promise<{ median: number; p99: number }> {
  const times: number[] = [];
  const one = async () => {
    while (times.length < COUNT) times.push(await timeOne(scene));
  };
  await Promise.all([one(), one(), one()]);
  times.sort((a, b) => a - b);
  return { median: times[Math.floor(times.length / 2)]!, p99: times[Math.ceil(0.99 * times.length) - 1]! };
}

for (const [what, fault] of Object.entries(FAULTS)) {
  test(
    `R12: with Redis ${what}, nobody waits longer than its time limit, then nobody at all, one line and the gauge say so, and it is used again within 5 s`,
    needsRedis,
    async (t) => {
      await using scene = await setScene({ limits: WIDE });
      const healthy = await timesOf(scene);
      assert.deepEqual(scene.lines(), []);
      assert.equal(await scene.metric('limits_degraded'), 0);

      await fault.begin(scene);
      const before = await Promise.all(Array.from({ length: 20 }, () => timeOne(scene)));
      for (let count = 0; count < 3; count++) before.push(await timeOne(scene));
      const longest = Math.max(...before);
      assert.ok(longest <= TIMEOUT_MS + MARGIN_MS, `one waited ${longest} ms`);
      assert.equal(await scene.metric('limits_degraded'), 1);

      let degraded = await timesOf(scene);
      const added = () => degraded.p99 - healthy.median;
      for (let again = 1; again < TRIES && added() > ADDED_P99_MS; again++) degraded = await timesOf(scene);
      assert.ok(added() <= ADDED_P99_MS, `${added()} ms more at p99`);
      assert.equal(await scene.metric('limits_degraded'), 1);
      assert.ok((await scene.metric('limits_pending')) > 0);
      const lines = scene.lines();
      assert.equal(lines.length, 1);
      assert.equal(lines[0]?.level, 'error');
      assert.match(lines[0]?.cause ?? '', fault.cause);

      await fault.end(scene);
      const recoveryMs = await untilTrue('it is used again', async () => (await scene.metric('limits_degraded')) === 0);
      assert.ok(recoveryMs <= RECOVERY_MS, `used again after ${recoveryMs} ms`);
      await untilTrue('all is delivered', async () => (await scene.metric('limits_pending')) === 0);
      const sent = await scene.metric('limits_round_trips_total');
      await timeOne(scene);
      assert.ok((await scene.metric('limits_round_trips_total')) >= sent + 2, 'reserved and settled in Redis');
      assert.deepEqual(
        scene.lines().map(({ level }) => level),
        ['error', 'info'],
      );
      t.diagnostic(
        `healthy p50 ${healthy.median.toFixed(1)} p99 ${healthy.p99.toFixed(1)}, at first at most ${longest.toFixed(0)}, degraded p50 ${degraded.median.toFixed(1)} p99 ${degraded.p99.toFixed(1)}, back after ${recoveryMs.toFixed(0)} ms`,
      );
    },
  );
}
