/** R13: a place of a concurrency limit is a lease that lasts until the last byte, and comes back however a call ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, systemRandom } from '../../src/clock.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import { seeded } from '../../src/provider/seeded.ts';
import { startProvider } from '../../src/provider/server.ts';
import { hashOf, plainConfig, startTestGateway, TEST_KEY } from '../fakes/gateway.ts';
import { exchange, type SendOptions } from '../fakes/http-client.ts';
import { setScene } from '../fakes/scene.ts';
import { errorOf } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';

const CALLS = 10_000;
const TOGETHER = 64;
/** Fewer than run together, so that some are refused all the time. */
const SLOTS = 12;
const CHAT = '/v1/chat/completions';

interface Fate {
  readonly stream: boolean;
  readonly behaviour: Behaviour;
  readonly abort: NonNullable<SendOptions['abort']> | null;
}

function fateOf(random: () => number): Fate {
  const draw = random();
  const fault = (): Behaviour => {
    if (draw < 0.04) return { faults: [{ kind: 'silent' }] };
    if (draw < 0.12) return { faults: [{ kind: 'status', status: 500 }] };
    if (draw < 0.16) return { faults: [{ kind: 'stall', after: { events: 3 } }] };
    return draw < 0.22 ? { faults: [{ kind: 'reset', after: { events: 3 } }] } : {};
  };
  const leaves = random();
  const abort = leaves < 0.1 ? 'before-headers' : leaves < 0.4 ? { afterBytes: Math.floor(random() * 3000) } : null;
  return { stream: random() < 0.7, behaviour: fault(), abort };
}

test(`R13: after ${CALLS} calls with random aborts, failures and timeouts no place is taken and nothing is held`, async (t) => {
  const seed = Number(process.env['SEED'] ?? Math.floor(systemRandom.next() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  const random = seeded(seed);
  const fates = Array.from({ length: CALLS }, () => fateOf(() => random.next()));
  const provider = await startProvider({
    clock: systemClock,
    tokens: 10,
    keepRequests: false,
    script: ({ body }) => fates[(JSON.parse(body.toString()) as { metadata: { nth: number } }).metadata.nth]!.behaviour,
  });
  t.after(() => provider.close());
  await using gateway = await startTestGateway({
    yaml: plainConfig({
      providers: [provider.url],
      limits: `[ { concurrency: ${SLOTS} }, { tokens: 1G/hour }, { cost: 1000 USD/month, per: organization } ]`,
      targetMembers: [`limits: [ { concurrency: ${SLOTS} } ]`],
      timeouts: '{ headers: 60ms, firstToken: 60ms, idle: 60ms }',
    }),
  });
  const caller = gateway.config.current.callersByHash.get(hashOf(TEST_KEY).slice('sha256:'.length))!;
  const slots = caller.limits.every().filter(({ limit }) => limit.dimension === 'concurrency');
  let most = 0;
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let nth = next++; nth < CALLS; nth = next++) {
      const { stream, abort } = fates[nth]!;
      await exchange({
        url: gateway.dataUrl,
        path: CHAT,
        headers: { authorization: `Bearer ${TEST_KEY}` },
        body: { model: 'm', stream, max_tokens: 10, metadata: { nth }, messages: [{ role: 'user', content: 'hello' }] },
        ...(abort !== null && { abort }),
      }).done;
      most = Math.max(most, (await gateway.limits.read(slots))[0]!.reserved);
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, worker));
  await until('every call is over', () => gateway.running === 0);
  assert.equal(most, SLOTS);
  assert.equal(await gateway.limits.held(), 0);
  const [target] = gateway.config.current.models.get('m')!.targets;
  for (const { reserved, bound } of await gateway.limits.read([...caller.limits.every(), ...target!.limits])) {
    assert.equal(reserved, 0, bound.limit.id);
  }
  const records = await gateway.ledger.recent(2 * CALLS);
  assert.equal(records.length, CALLS);
  const outcomes = new Set(records.map(({ outcome }) => outcome));
  t.diagnostic([...outcomes].join(' '));
  for (const outcome of [
    'ok',
    'client_closed',
    'rejected_admit',
    'timeout_headers',
    'timeout_idle',
    'upstream_error',
  ] as const) {
    assert.ok(outcomes.has(outcome), outcome);
  }
  await until('the provider is let go', () => provider.book.totals.open === 0);
});

test('R13: a stream that is longer than its lease keeps its place, and the one more is always refused', async () => {
  await using scene = await setScene({
    limitStore: '{ url: memory, lease: 2s }',
    limits: '[ { concurrency: 2 }, { outputTokens: 10k/day } ]',
    targetMembers: ['limits: [ { concurrency: 5 } ]'],
    targets: [{ faults: [{ kind: 'stall', after: { events: 4 } }] }],
  });
  const running = [scene.call(), scene.call()];
  await until('both run', () => running.every(({ bytesReceived }) => bytesReceived > 500));
  for (let seconds = 0; seconds < 60; seconds++) {
    scene.clock.advance(1000);
    const refused = await scene.call({ stream: false }).done;
    assert.deepEqual([refused.status, errorOf(refused).code], [429, 'concurrency_exceeded']);
  }
  const [target] = scene.gateway.config.current.models.get('m')!.targets;
  const places = async () =>
    (await scene.gateway.limits.read([scene.caller.limits.every()[0]!, ...target!.limits])).map(
      ({ reserved }) => reserved,
    );
  assert.deepEqual(await places(), [2, 2]);
  running[0]!.abort();
  await until('one is gone', () => scene.gateway.running === 1);
  assert.deepEqual(await places(), [1, 1]);
  const next = scene.call();
  await until('there is a place again', () => next.bytesReceived > 500);
  running[1]!.abort();
  next.abort();
  await scene.ledger();
  assert.deepEqual(await places(), [0, 0]);
  await scene.settled();
});
