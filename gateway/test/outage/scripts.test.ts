import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needsRedis } from '../fakes/redis-server.ts';
import { FAULTS } from './faults.ts';
import { type Scene, setScene, untilTrue } from './scene.ts';

/** How often Redis was sent this command, answered or not. */
function sent({ redis }: Scene, command: string): number {
  const line = new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(redis.admin('INFO', 'commandstats'));
  return Number(line?.[1] ?? 0);
}

for (const what of ['stopped', 'forbidding every command'] as const) {
  test(
    `R41: after Redis was ${what} for a while, scripts are asked for by their digest again`,
    needsRedis,
    async () => {
      await using scene = await setScene({ limits: '[ { requests: 1M/hour } ]' });
      for (let count = 0; count < 5; count++) await scene.ask();
      await FAULTS[what]!.begin(scene);
      for (let count = 0; count < 5; count++) await scene.ask();
      await FAULTS[what]!.end(scene);
      await untilTrue('it is used again', async () => (await scene.metric('limits_degraded')) === 0);
      await untilTrue('all is delivered', async () => (await scene.metric('limits_pending')) === 0);
      await scene.ask();
      const before = { eval: sent(scene, 'eval'), evalsha: sent(scene, 'evalsha') };
      for (let count = 0; count < 5; count++) await scene.ask();
      assert.equal(sent(scene, 'eval'), before.eval);
      assert.ok(sent(scene, 'evalsha') >= before.evalsha + 10);
    },
  );
}
