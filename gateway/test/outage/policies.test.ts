import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Received } from '../fakes/http-client.ts';
import { needsRedis } from '../fakes/redis-server.ts';
import { CHAT, errorOf } from '../fakes/stand.ts';
import { settled } from './books.ts';
import { FAULTS } from './faults.ts';
import { type Scene, setScene, untilTrue } from './scene.ts';

/** Two processes know of each other after a sweep, which comes eight times in a lease. */
const LEASE_MS = 8000;

const MODELS = ['share', 'closed', 'open', 'mixed', 'partly'];
const LIMITS = `[ ${[
  '{ requests: 10/hour, models: [share], name: share, onStoreError: localShare }',
  '{ requests: 10/hour, models: [closed], name: closed, onStoreError: closed }',
  '{ requests: 3/hour, models: [open], name: open, onStoreError: open }',
  '{ requests: 10/hour, models: [mixed], name: mixed-share, onStoreError: localShare }',
  '{ requests: 10/hour, models: [mixed], name: mixed-open, onStoreError: open }',
  '{ cost: 10 USD/year, models: [mixed], name: mixed-closed }',
  '{ requests: 8/hour, models: [partly], name: partly-share, onStoreError: localShare }',
  '{ requests: 100/hour, models: [partly], name: partly-open, onStoreError: open }',
].join(', ')} ]`;

const model = (name: string) =>
  `${name}: { targets: [ { provider: p1, model: ${name}, price: { input: 1, output: 2 } } ] }`;

async function ask(scene: Scene, name: string, count: number): Promise<readonly Received[]> {
  const all: Received[] = [];
  for (let nth = 0; nth < count; nth++) all.push(await scene.ask({ body: { ...CHAT, model: name } }));
  return all;
}

function statuses(all: readonly Received[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status } of all) counts[String(status)] = (counts[String(status)] ?? 0) + 1;
  return counts;
}

/** Of the limits of this name: what the gateway says is used. */
async function used({ gateway, caller }: Scene, name: string): Promise<number> {
  const states = await gateway.limits.read(caller.limits.every().filter(({ limit }) => limit.id === `pro.${name}`));
  assert.equal(states.length, 1);
  return states[0]!.used;
}

function assertUnavailable(refused: Received): void {
  assert.equal(refused.status, 503);
  assert.equal(errorOf(refused).code, 'limits_unavailable');
  assert.equal(refused.headers['x-should-retry'], 'true');
  const [seconds, ms] = [Number(refused.headers['retry-after']), Number(refused.headers['retry-after-ms'])];
  assert.ok(Number.isInteger(seconds) && seconds >= 1, `retry-after ${seconds}`);
  assert.ok(ms >= 1 && ms <= 2000, `retry-after-ms ${ms}`);
}

for (const [what, fault] of Object.entries(FAULTS)) {
  test(
    `R12: with Redis ${what}, each limit does what its onStoreError says, and a call passes all of its limits or takes of none`,
    needsRedis,
    async () => {
      await using scene = await setScene({ limits: LIMITS, models: MODELS.map(model), leaseMs: LEASE_MS });
      // The other process that shares the limits.
      await scene.reader();
      await untilTrue('the processes know of each other', async () => (await scene.metric('limits_processes')) === 2);
      assert.deepEqual(statuses(await ask(scene, 'share', 2)), { 200: 2 });

      await fault.begin(scene);
      const share = await ask(scene, 'share', 9);
      assert.deepEqual(statuses(share), { 200: 5, 429: 4 }, 'localShare: half of 10, for each of two processes');
      assert.equal(errorOf(share.at(-1)!).headgate['limit'], 'pro.share');
      assert.equal(await scene.metric('limits_degraded'), 1);

      const seen = scene.provider.book.totals.requests;
      for (const refused of await ask(scene, 'closed', 3)) assertUnavailable(refused);
      for (const refused of await ask(scene, 'mixed', 3)) assertUnavailable(refused);
      assert.equal(scene.provider.book.totals.requests, seen, 'refused without an upstream call');
      assert.equal(await used(scene, 'mixed-share'), 0);

      assert.deepEqual(statuses(await ask(scene, 'open', 7)), { 200: 7 });
      assert.deepEqual(statuses(await ask(scene, 'partly', 6)), { 200: 4, 429: 2 });

      await fault.end(scene);
      await settled(scene);
      const names = [
        'share',
        'closed',
        'open',
        'mixed-share',
        'mixed-open',
        'mixed-closed',
        'partly-share',
        'partly-open',
      ];
      const counted = await Promise.all(names.map((name) => used(scene, name)));
      assert.deepEqual(counted, [7, 0, 7, 0, 0, 0, 4, 4]);
      assert.deepEqual(statuses(await ask(scene, 'share', 4)), { 200: 3, 429: 1 }, 'the rest of 10, by Redis');
      assert.deepEqual(statuses(await ask(scene, 'mixed', 1)), { 200: 1 });
      assert.deepEqual(statuses(await ask(scene, 'open', 1)), { 429: 1 });
    },
  );
}
