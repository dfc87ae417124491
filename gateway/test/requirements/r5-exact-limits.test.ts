/** R5, for one process: what a limit says is what reaches the provider, however many ask at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callOf, countOf, flood, startHeld } from '../fakes/flood.ts';
import { until } from '../fakes/until.ts';

test('R5: of 400 requests against 100 requests a minute exactly 100 reach the provider', async () => {
  const held = await startHeld({ limits: '[ { requests: 100/minute } ]' });
  await using stand = held.stand;
  const statuses = await flood(held, 400, 100);
  assert.equal(countOf(statuses, 200), 100);
  assert.equal(countOf(statuses, 429), 300);
  assert.equal(stand.seen, 100);
});

test('R5: of 1,000 concurrent requests against 100 requests a minute exactly 100 reach the provider', async () => {
  const held = await startHeld({ limits: '[ { requests: 100/minute } ]' });
  await using stand = held.stand;
  const statuses = await flood(held, 1000, 100);
  assert.equal(countOf(statuses, 200), 100);
  assert.equal(countOf(statuses, 429), 900);
  assert.equal(stand.seen, 100);
});

for (const [algorithm, limit] of [
  ['a sliding window', '{ tokens: 100k/minute }'],
  ['a token bucket', '{ tokens: 100k/minute, burst: 100k }'],
] as const) {
  test(`R5: of 200 concurrent requests of 4,000 tokens against 100,000 a minute exactly 25 reach the provider, with ${algorithm}`, async () => {
    const held = await startHeld({ limits: `[ ${limit} ]` });
    await using stand = held.stand;
    const statuses = await flood(held, 200, 25, [{ body: callOf(4000, 500) }]);
    assert.equal(countOf(statuses, 200), 25);
    assert.equal(countOf(statuses, 429), 175);
    assert.equal(stand.seen, 25);
  });
}

test('R5: tokens that were reserved and not used are given back, and not one more', async () => {
  const held = await startHeld({ limits: '[ { tokens: 100k/minute } ]' });
  await using stand = held.stand;
  await flood(held, 25, 25, [{ body: callOf(4000, 500) }]);
  const [record] = await stand.gateway.ledger.recent(1);
  const used = record!.usage.inputTokens + record!.usage.outputTokens;
  const [caller] = [...stand.gateway.config.current.callersByHash.values()];
  const state = async () => (await stand.gateway.limits.read(caller!.limits.every()))[0]!;
  await until('nothing runs', () => stand.gateway.running === 0);
  assert.equal((await state()).used, 25 * used);
  const again = stand.ask({ body: callOf(4000, 500) });
  await until('it reaches the provider', () => stand.seen === 26);
  const { reserved, remaining } = await state();
  assert.ok(reserved > 500);
  assert.equal(remaining, 100_000 - 25 * used - reserved);
  held.release();
  assert.equal((await again).headers['x-ratelimit-remaining-tokens'], String(remaining));
  await until('nothing runs', () => stand.gateway.running === 0);
  assert.equal((await state()).used, 26 * used);
});

test('R5: of 50 concurrent requests against 10 at the same time exactly 10 run, and the next 10 when those are done', async () => {
  const held = await startHeld({ limits: '[ { concurrency: 10 } ]' });
  await using stand = held.stand;
  const first = await flood(held, 50, 10);
  assert.equal(countOf(first, 200), 10);
  assert.equal(countOf(first, 429), 40);
  assert.equal(stand.seen, 10);
  await until('nothing runs', () => stand.gateway.running === 0);
  const second = await flood(held, 10, 10);
  assert.equal(countOf(second, 200), 10);
});
