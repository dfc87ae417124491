/** R27: who is refused is told when to come back, truly, and the official SDK's first automatic retry succeeds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import type { Fault } from '../../src/provider/faults.ts';
import { TEST_KEY } from '../fakes/gateway.ts';
import type { Received } from '../fakes/http-client.ts';
import { openRaw } from '../fakes/raw-http.ts';
import { CHAT, errorOf, startStand } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const status = (code: number, headers: readonly string[]) => ({
  script: () => ({ faults: [{ kind: 'status', status: code, headers } satisfies Fault] }),
});

/** Both headers say the same wait, one in whole seconds rounded up. */
function waitOf({ headers }: Received): number {
  const ms = Number(headers['retry-after-ms']);
  assert.ok(Number.isSafeInteger(ms) && ms >= 1, `retry-after-ms: ${headers['retry-after-ms']}`);
  assert.equal(headers['retry-after'], String(Math.max(1, Math.ceil(ms / 1000))));
  return ms;
}

const WAITS = [
  { what: 'a sliding window', limits: '[ { requests: 2/minute } ]' },
  { what: 'a token bucket', limits: '[ { requests: 7/minute, burst: 2 } ]' },
  { what: 'tokens', limits: '[ { tokens: 110/minute } ]' },
  { what: 'a calendar quota', limits: '[ { requests: 2/day } ]' },
];

for (const { what, limits } of WAITS) {
  test(`R27: after the wait it was told, and not a millisecond before, a call refused by ${what} passes`, async () => {
    const clock = new VirtualClock(Date.UTC(2026, 10, 21, 12, 34, 56, 789));
    await using stand = await startStand({ clock, limits });
    const body = { ...CHAT, max_tokens: 40 };
    const step = async () => {
      clock.advance(1234);
      return stand.ask({ body });
    };
    let received = await step();
    while (received.status === 200) received = await step();
    const seen = stand.seen;
    const wait = waitOf(received);
    const { headgate } = errorOf(received);
    assert.equal(headgate['retryAfterMs'], wait);
    assert.equal(headgate['resetsAt'], new Date(clock.now() + wait).toISOString());
    clock.advance(wait - 1);
    const early = await stand.ask({ body });
    assert.equal(early.status, 429);
    assert.equal(waitOf(early), 1);
    assert.equal(stand.seen, seen);
    clock.advance(1);
    assert.equal((await stand.ask({ body })).status, 200);
  });
}

test('R27: a 429 carries the limit headers of OpenAI, the IETF pair, and names the limit, the tier and the way out', async () => {
  await using stand = await startStand({
    clock: new VirtualClock(),
    limits: '[ { requests: 1/minute }, { tokens: 1k/minute } ]',
  });
  await stand.ask();
  const received = await stand.ask();
  const { headers } = received;
  assert.equal(received.status, 429);
  assert.equal(headers['x-ratelimit-limit-requests'], '1');
  assert.equal(headers['x-ratelimit-remaining-requests'], '0');
  assert.equal(headers['x-ratelimit-reset-requests'], '1m0s');
  assert.equal(headers['x-ratelimit-limit-tokens'], '1000');
  assert.equal(headers['x-ratelimit-remaining-tokens'], '995');
  assert.equal(
    headers['ratelimit-policy'],
    '"pro.requests-per-minute";q=1;w=60, "pro.tokens-per-minute";q=1000;w=60;qu="tokens"',
  );
  assert.equal(headers['ratelimit'], '"pro.requests-per-minute";r=0;t=60, "pro.tokens-per-minute";r=995;t=60');
  assert.equal(headers['retry-after'], '60');
  assert.equal(headers['x-should-retry'], 'true');
  const { requestId, ...headgate } = errorOf(received).headgate;
  assert.equal(requestId, headers['x-request-id']);
  assert.deepEqual(errorOf(received), {
    message: 'Pro tier limit exceeded: 1 request per minute for this key. Retry in 60 s, or upgrade to Enterprise.',
    type: 'rate_limit_error',
    param: null,
    code: 'rate_limit_exceeded',
    headgate: { requestId, ...headgate },
  });
  assert.deepEqual(headgate, {
    code: 'rate_limit_exceeded',
    source: 'caller',
    limit: 'pro.requests-per-minute',
    per: 'key',
    dimension: 'requests',
    tier: 'pro',
    used: 1,
    reserved: 0,
    amount: 1,
    requested: 1,
    window: 'minute',
    retryAfterMs: 60_000,
    resetsAt: '2026-11-21T12:01:00.000Z',
    upgradeTo: 'enterprise',
    upgradeUrl: null,
  });
});

test('R27: no slot is free: the caller is asked to look again in a second', async () => {
  const held = new VirtualClock();
  await using stand = await startStand({
    limits: '[ { concurrency: 1 } ]',
    providers: [{ clock: held, script: () => ({ faults: [{ kind: 'delay', ms: 1000 }] }) }],
  });
  const running = stand.ask();
  await until('it runs', () => stand.seen === 1);
  const received = await stand.ask();
  assert.equal(received.status, 429);
  assert.equal(waitOf(received), 1000);
  assert.equal(received.headers['x-should-retry'], 'true');
  held.advance(1000);
  await running;
});

test('R27: a quota that is used up says until when, and that retrying is of no use', async () => {
  const clock = new VirtualClock(Date.UTC(2026, 10, 21, 12));
  await using stand = await startStand({ clock, limits: '[ { requests: 1/month, per: organization } ]' });
  await stand.ask();
  const received = await stand.ask();
  assert.equal(received.status, 429);
  assert.equal(received.headers['x-should-retry'], 'false');
  assert.equal(waitOf(received), Date.UTC(2026, 11, 1) - clock.now());
  assert.equal(errorOf(received).code, 'insufficient_quota');
  assert.equal(errorOf(received).type, 'insufficient_quota');
});

test('R27: a gateway that holds too many bodies answers 503 with a wait', async () => {
  await using stand = await startStand({ listen: 'bodyMax: 4KiB, inflightMax: 4KiB' });
  const holding = openRaw(stand.gateway.dataUrl);
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TEST_KEY}\r\n`;
  holding.write(`${head}content-length: 4000\r\n\r\n{`);
  await until('its body is held', () => stand.gateway.bodyBytes === 4000);
  const received = await stand.ask({ body: { ...CHAT, pad: 'x'.repeat(1000) } });
  assert.equal(received.status, 503);
  assert.equal(waitOf(received), 1000);
  assert.equal(received.headers['x-should-retry'], 'true');
  holding.socket.destroy();
  await until('it is given back', () => stand.gateway.bodyBytes === 0);
  assert.equal((await stand.ask({ body: { ...CHAT, pad: 'x'.repeat(1000) } })).status, 200);
});

test("R27: a provider's own retry-after reaches the caller when there is no other target", async () => {
  await using limited = await startStand({ providers: [status(429, ['retry-after', '17'])] });
  assert.equal((await limited.ask()).headers['retry-after'], '17');
  await using down = await startStand({ providers: [status(503, ['retry-after', '23'])] });
  const received = await down.ask();
  assert.equal(received.status, 503);
  assert.equal(waitOf(received), 23_000);
});

test('R27: a 503 for which nobody knows a wait still names one', async () => {
  await using refusing = await startStand({ providers: [status(503, [])] });
  assert.equal(waitOf(await refusing.ask()), 1000);
  await using gone = await startStand();
  await gone.providers[0]!.close();
  const received = await gone.ask();
  assert.equal(received.status, 503);
  assert.equal(waitOf(received), 1000);
});

test("R27: with another target, a provider's 429 is not the caller's wait", async () => {
  await using stand = await startStand({ providers: [status(429, ['retry-after', '17']), {}] });
  const received = await stand.ask();
  assert.equal(received.status, 200);
  assert.equal(received.headers['retry-after'], undefined);
});

const SDK_CHAT = { model: 'm', max_tokens: 3, messages: [{ role: 'user' as const, content: 'hello' }] };

/** Uses the limit up, and then calls once more with a client that tries again once; answers what the gateway said, in order. */
async function retriedOnce(limits: string, last: (client: OpenAI) => Promise<void>): Promise<readonly number[]> {
  await using stand = await startStand({ limits });
  const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${stand.gateway.dataUrl}/v1`, maxRetries: 1 });
  for (let calls = 0; calls < 3; calls++) await client.chat.completions.create(SDK_CHAT);
  await last(client);
  await until('it is over', () => stand.gateway.running === 0);
  return (await stand.gateway.ledger.recent(100)).map(({ status }) => status).toReversed();
}

async function plainCall(client: OpenAI): Promise<void> {
  const answer = await client.chat.completions.create(SDK_CHAT);
  assert.equal(answer.choices.length, 1);
}

async function streamedCall(client: OpenAI): Promise<void> {
  let events = 0;
  for await (const _ of await client.chat.completions.create({ ...SDK_CHAT, stream: true })) events++;
  assert.ok(events > 0);
}

test("R27: the official SDK's first automatic retry succeeds, streamed or not", async () => {
  const runs = await Promise.all([
    retriedOnce('[ { requests: 3/2s } ]', plainCall),
    retriedOnce('[ { requests: 3/2s } ]', streamedCall),
    retriedOnce('[ { requests: 3/4s, burst: 3 } ]', plainCall),
  ]);
  for (const statuses of runs) assert.deepEqual(statuses, [200, 200, 200, 429, 200]);
});

test('R27: the official SDK does not retry what a quota refused', async () => {
  await using stand = await startStand({ limits: '[ { requests: 1/year } ]' });
  const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${stand.gateway.dataUrl}/v1`, maxRetries: 5 });
  await client.chat.completions.create(SDK_CHAT);
  await assert.rejects(client.chat.completions.create(SDK_CHAT), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, 'insufficient_quota');
    return true;
  });
  assert.equal((await stand.gateway.ledger.recent(100)).length, 2);
});
