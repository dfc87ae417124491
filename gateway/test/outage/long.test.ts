import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { needsRedis } from '../fakes/redis-server.ts';
import { FAULTS } from './faults.ts';
import { RECOVERY_MS, setScene, untilTrue } from './scene.ts';

/** Longer than any retry, cool-down or silence after which the driver gives a connection up. */
const OUTAGE_MS = 12_000;
/** What a busy machine may add to any one request. */
const MARGIN_MS = 500;

describe('long outages', { concurrency: true }, () => {
  for (const what of ['stopped', 'paused', '2 s slow', 'out of reach', 'cut off'] as const) {
    test(
      `R12: after ${OUTAGE_MS / 1000} s with Redis ${what}, it is used again within 5 s, and nobody waited once it was given up`,
      needsRedis,
      async (t) => {
        const fault = FAULTS[what]!;
        await using scene = await setScene({ limits: '[ { requests: 1M/hour } ]' });
        await fault.begin(scene);
        const from = systemClock.monotonic();
        await untilTrue('it is given up', async () => {
          await scene.ask();
          return (await scene.metric('limits_degraded')) === 1;
        });
        let longest = 0;
        await untilTrue('it was away for long', async () => {
          const at = systemClock.monotonic();
          assert.equal((await scene.ask()).status, 200);
          longest = Math.max(longest, systemClock.monotonic() - at);
          return systemClock.monotonic() - from >= OUTAGE_MS;
        });
        assert.ok(longest <= MARGIN_MS, `one waited ${longest} ms`);
        await fault.end(scene);
        const recoveryMs = await untilTrue(
          'it is used again',
          async () => (await scene.metric('limits_degraded')) === 0,
        );
        assert.ok(recoveryMs <= RECOVERY_MS, `used again after ${recoveryMs} ms`);
        await untilTrue('all is delivered', async () => (await scene.metric('limits_pending')) === 0);
        assert.deepEqual(
          scene.lines().map(({ level }) => level),
          ['error', 'info'],
        );
        t.diagnostic(`${what}: back after ${recoveryMs.toFixed(0)} ms, the longest wait ${longest.toFixed(0)} ms`);
      },
    );
  }
});
