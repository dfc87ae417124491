/** R5, for one process: what a limit says is what reaches the provider, however many ask at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Received } from '../fakes/http-client.ts';
import { CHAT, type Stand, type StandOptions, startStand } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

/** A provider that answers nobody before `release`, so that whatever is in flight is in flight together. */
async function startHeld(options: StandOptions) {
  const held = new VirtualClock();
  const stand = await startStand({
    ...options,
    clock: new VirtualClock(),
    providers: [{ clock: held, script: () => ({ faults: [{ kind: 'delay', ms: 1000 }] }) }],
  });
  return { stand, release: () => held.advance(1000) };
}

/** Sends `count` at once; lets the provider answer when all the others are refused. */
async function flood(stand: Stand, release: () => void, count: number, admitted: number, body: object | string = CHAT) {
  const before = stand.seen;
  const refused: Received[] = [];
  const all = Array.from({ length: count }, async () => {
    const received = await stand.ask({ body });
    if (received.status !== 200) refused.push(received);
    return received;
  });
  await until('the rest is refused', () => refused.length >= count - admitted && stand.seen - before === admitted);
  release();
  return (await Promise.all(all)).map(({ status }) => status);
}

const countOf = (statuses: readonly (number | null)[], wanted: number) =>
  statuses.filter((status) => status === wanted).length;

/** A chat call whose worst case is exactly `tokens`: its bytes make `input` tokens, its cap is the rest. */
function callOf(tokens: number, input: number): string {
  const body = (content: string) =>
    JSON.stringify({ model: 'm', max_tokens: tokens - input, messages: [{ role: 'user', content }] });
  return body('x'.repeat(input * 4 - body('').length));
}

test('R5: of 400 requests against 100 requests a minute exactly 100 reach the provider', async () => {
  const { stand, release } = await startHeld({ limits: '[ { requests: 100/minute } ]' });
  await using _ = stand;
  const statuses = await flood(stand, release, 400, 100);
  assert.equal(countOf(statuses, 200), 100);
  assert.equal(countOf(statuses, 429), 300);
  assert.equal(stand.seen, 100);
});

test('R5: of 1,000 concurrent requests against 100 requests a minute exactly 100 reach the provider', async () => {
  const { stand, release } = await startHeld({ limits: '[ { requests: 100/minute } ]' });
  await using _ = stand;
  const statuses = await flood(stand, release, 1000, 100);
  assert.equal(countOf(statuses, 200), 100);
  assert.equal(countOf(statuses, 429), 900);
  assert.equal(stand.seen, 100);
});

for (const [algorithm, limit] of [
  ['a sliding window', '{ tokens: 100k/minute }'],
  ['a token bucket', '{ tokens: 100k/minute, burst: 100k }'],
] as const) {
  test(`R5: of 200 concurrent requests of 4,000 tokens against 100,000 a minute exactly 25 reach the provider, with ${algorithm}`, async () => {
    const { stand, release } = await startHeld({ limits: `[ ${limit} ]` });
    await using _ = stand;
    const statuses = await flood(stand, release, 200, 25, callOf(4000, 500));
    assert.equal(countOf(statuses, 200), 25);
    assert.equal(countOf(statuses, 429), 175);
    assert.equal(stand.seen, 25);
  });
}

test('R5: tokens that were reserved and not used are given back, and not one more', async () => {
  const { stand, release } = await startHeld({ limits: '[ { tokens: 100k/minute } ]' });
  await using _ = stand;
  await flood(stand, release, 25, 25, callOf(4000, 500));
  const [record] = await stand.gateway.ledger.recent(1);
  const used = record!.usage.inputTokens + record!.usage.outputTokens;
  const again = stand.ask({ body: callOf(4000, 500) });
  await until('it reaches the provider', () => stand.seen === 26);
  release();
  assert.equal((await again).headers['x-ratelimit-remaining-tokens'], String(100_000 - 25 * used - 4000));
});

test('R5: of 50 concurrent requests against 10 at the same time exactly 10 run, and the next 10 when those are done', async () => {
  const { stand, release } = await startHeld({ limits: '[ { concurrency: 10 } ]' });
  await using _ = stand;
  const first = await flood(stand, release, 50, 10);
  assert.equal(countOf(first, 200), 10);
  assert.equal(countOf(first, 429), 40);
  assert.equal(stand.seen, 10);
  await until('nothing runs', () => stand.gateway.running === 0);
  const second = await flood(stand, release, 10, 10);
  assert.equal(countOf(second, 200), 10);
});
