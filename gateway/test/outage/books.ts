/** Whether Redis counted what the ledger has, to the last unit. */
import assert from 'node:assert/strict';
import type { RequestRecord } from '../../src/call.ts';
import { sumFor } from '../fakes/scene.ts';
import { until } from '../fakes/until.ts';
import { type Scene, untilTrue } from './scene.ts';

/** Limits of every kind that Redis can be held to exactly: a bucket refills while one looks. */
export const COUNTED =
  '[ { requests: 1M/hour }, { requests: 1M/year, onStoreError: open }, { tokens: 100M/year, per: organization, onStoreError: localShare }, { outputTokens: 10M/hour }, { cost: 1000 USD/year, per: organization, onStoreError: localShare }, { concurrency: 1000 } ]';

/** The same where each gateway holds a part of them in advance, but for the last one. */
export const LEASED = COUNTED.replaceAll(/(requests|okens|cost): ([^}]+) }/g, '$1: $2, mode: leased }');

/** Everything on the ledger, once nothing runs and Redis has been told everything. */
export async function settled({ gateway, metric }: Scene): Promise<readonly RequestRecord[]> {
  await until('every call is over', () => gateway.running === 0);
  await untilTrue('Redis answers', async () => (await metric('limits_degraded')) === 0);
  await untilTrue('Redis has been told everything', async () => (await metric('limits_pending')) === 0);
  assert.equal(await metric('limits_dropped_total'), 0);
  return gateway.ledger.recent(1_000_000);
}

/** Proves that Redis holds nothing and has counted `records`, each once. */
export async function assertCounted(scene: Scene, records: readonly RequestRecord[]): Promise<void> {
  const reader = await scene.reader();
  const read = () => reader.read(scene.caller.limits.every());
  // What a process holds in advance of a leased limit goes back when it was idle for a while.
  await untilTrue('nothing is reserved', async () => (await read()).every(({ reserved }) => reserved === 0));
  const states = await read();
  assert.ok(states.length > 0);
  for (const state of states) {
    assert.equal(state.used, sumFor(records, state), `used under ${state.bound.limit.id}`);
  }
  assert.equal(await scene.gateway.limits.held(), 0);
}
