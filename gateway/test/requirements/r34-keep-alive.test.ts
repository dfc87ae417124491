import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { TEST_KEY } from '../fakes/gateway.ts';
import {
  DONE,
  FINISH,
  type HandUpstream,
  ROLE,
  STREAM_HEADERS,
  startHandUpstream,
  word,
} from '../fakes/hand-upstream.ts';
import type { Exchange } from '../fakes/http-client.ts';
import { type Chunk, dataOf, type Scene, setScene } from '../fakes/scene.ts';
import { turns, until } from '../fakes/until.ts';

const PING_MS = 15_000;
const PING = ': ping\n\n';
const LISTEN = `ping: ${PING_MS}ms`;

/** Lets one ping come due and waits until the caller has it. */
async function pinged(scene: Scene, call: Exchange): Promise<void> {
  const before = call.bytesReceived;
  await turns();
  scene.clock.advance(PING_MS);
  await until('the ping is here', () => call.bytesReceived >= before + PING.length);
  assert.equal(call.bytesReceived, before + PING.length);
}

const reached = (upstream: HandUpstream) => until('the provider has the call', () => upstream.calls.length === 1);

test('R34: pings start before the first upstream byte, stop at the end, and stand between events only', async () => {
  await using upstream = await startHandUpstream();
  await using scene = await setScene({ targets: [upstream.url], listen: LISTEN });
  const call = scene.call();
  await reached(upstream);
  await pinged(scene, call);
  await pinged(scene, call);
  assert.equal(await call.headers, 200);
  const { response } = upstream.calls[0]!;
  response.writeHead(200, STREAM_HEADERS);
  response.write(ROLE + word('Hel'));
  await until('the first content is here', () => call.bytesReceived > 300);
  await turns();
  const half = word('lo');
  response.write(half.slice(0, 30));
  await turns(200);
  await pinged(scene, call);
  response.write(half.slice(30));
  response.end(FINISH + DONE);
  const received = await call.done;
  assert.equal(received.text, PING + PING + ROLE + word('Hel') + PING + half + FINISH + DONE);
  assert.match(received.headers['content-type'] ?? '', /^text\/event-stream/);
  await scene.settled();
});

test('R34: no ping goes into an event that is too large to wait for', async () => {
  await using upstream = await startHandUpstream();
  await using scene = await setScene({ targets: [upstream.url], listen: LISTEN });
  const call = scene.call();
  await reached(upstream);
  const { response } = upstream.calls[0]!;
  response.writeHead(200, STREAM_HEADERS);
  response.write(ROLE + word('first'));
  await until('the first content is here', () => call.bytesReceived > 300);
  const large = word('x'.repeat(2_000_000));
  response.write(large.slice(0, -1000));
  await until('most of it is here', () => call.bytesReceived > 1_000_000);
  await turns(200);
  scene.clock.advance(3 * PING_MS);
  await turns(200);
  response.end(large.slice(-1000) + FINISH + DONE);
  const { text } = await call.done;
  assert.ok(text === ROLE + word('first') + large + FINISH + DONE, 'not one byte was put inside');
});

test('R34: a failure before the first ping has its real status', async () => {
  await using scene = await setScene({
    targets: [{ faults: [{ kind: 'silent' }] }],
    listen: LISTEN,
    timeouts: '{ headers: 14s }',
  });
  const call = scene.call();
  await until('the provider has the call', () => scene.providers[0]!.requests.length === 1);
  scene.clock.advance(14_000);
  assert.equal((await call.done).status, 504);
  await scene.settled();
});

test('R34: a failure after the first ping is told inside the stream', async () => {
  await using scene = await setScene({
    targets: [{ faults: [{ kind: 'silent' }] }],
    listen: LISTEN,
    timeouts: '{ headers: 16s }',
  });
  const call = scene.call();
  await until('the provider has the call', () => scene.providers[0]!.requests.length === 1);
  await pinged(scene, call);
  scene.clock.advance(1_000);
  const { status, text, closed } = await call.done;
  assert.deepEqual([status, closed], [200, 'end']);
  assert.ok(text.startsWith(`${PING}data: {"error":`));
  assert.equal((dataOf(text)[0] as Chunk).error?.code, 'timeout_headers');
  const record = await scene.record();
  assert.deepEqual([record.outcome, record.status], ['timeout_headers', 200]);
  await scene.settled();
});

test('R34: a provider’s refusal after the first ping is told inside the stream, in its own words', async () => {
  for (const [status, outcome] of [
    [400, 'upstream_refused'],
    [429, 'upstream_refused'],
  ] as const) {
    await using upstream = await startHandUpstream();
    await using scene = await setScene({ targets: [upstream.url], listen: LISTEN });
    const call = scene.call();
    await reached(upstream);
    await pinged(scene, call);
    const error = { message: 'No such thing.', type: 'invalid_request_error', param: 'messages', code: null };
    upstream.calls[0]!.response.writeHead(status, { 'content-type': 'application/json' }).end(
      JSON.stringify({ error }),
    );
    const { text, closed } = await call.done;
    assert.equal(closed, 'end');
    const frames = dataOf(text) as Chunk[];
    assert.equal(frames.length, 1);
    assert.match(frames[0]!.error!.message, /No such thing\./);
    const record = await scene.record();
    assert.deepEqual([record.status, record.outcome, record.firstTokenMs], [200, outcome, null]);
    assert.doesNotMatch(scene.gateway.log(), /defect/);
    await scene.settled();
  }
});

test('R34: a provider that answers a stream call in one piece after the first ping fails inside the stream', async () => {
  await using upstream = await startHandUpstream();
  await using scene = await setScene({ targets: [upstream.url], listen: LISTEN });
  const call = scene.call();
  await reached(upstream);
  await pinged(scene, call);
  const answer = { choices: [{ message: { content: 'Hi' } }], usage: { prompt_tokens: 3, completion_tokens: 1 } };
  upstream.calls[0]!.response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  const { text, closed } = await call.done;
  assert.equal(closed, 'end');
  assert.equal((dataOf(text) as Chunk[])[0]!.error?.type, 'server_error');
  const record = await scene.record();
  assert.deepEqual([record.outcome, record.usage.source, record.firstTokenMs], ['upstream_error', 'provider', null]);
  assert.doesNotMatch(scene.gateway.log(), /defect/);
  await scene.settled();
});

test('R34: after a ping a failed target still falls back, inside the stream that was begun', async () => {
  await using scene = await setScene({
    targets: [{ faults: [{ kind: 'silent' }] }, {}],
    listen: LISTEN,
    timeouts: '{ headers: 16s }',
  });
  const call = scene.call();
  await until('the first target has the call', () => scene.providers[0]!.requests.length === 1);
  await pinged(scene, call);
  scene.clock.advance(1_000);
  const { text } = await call.done;
  assert.ok(text.startsWith(PING));
  assert.equal(dataOf(text).at(-1), '[DONE]');
  assert.equal((await scene.record()).outcome, 'ok');
  await scene.settled();
});

test('R34: pings are no progress: a dead provider is noticed at the very same time with them', async () => {
  for (const [fault, outcome, waitMs] of [
    [{ kind: 'first-token', ms: 3_600_000 }, 'timeout_first_token', 40_000],
    [{ kind: 'stall', after: { events: 4 } }, 'timeout_idle', 50_000],
  ] as const) {
    await using scene = await setScene({
      targets: [{ faults: [fault] }],
      listen: LISTEN,
      timeouts: '{ firstToken: 40s, idle: 50s }',
    });
    const call = scene.call();
    await until('the provider has begun', () => scene.providers[0]!.book.entries[0]?.status === 200);
    if (fault.kind === 'stall') await until('its tokens are here', () => call.bytesReceived > 500);
    for (let pings = 0; pings < 2; pings++) await pinged(scene, call);
    await turns();
    scene.clock.advance(waitMs - 2 * PING_MS);
    const { text } = await call.done;
    assert.equal((dataOf(text).at(-1) as Chunk).error?.code, outcome);
    assert.equal((await scene.record()).durationMs, waitMs);
    await scene.settled();
  }
});

test('R34: a JSON answer is never pinged, and nothing is unless it is enabled', async () => {
  for (const [listen, stream] of [
    [LISTEN, false],
    ['ping: off', true],
  ] as const) {
    await using scene = await setScene({ targets: [{ faults: [{ kind: 'silent' }] }], listen });
    const call = scene.call({ stream });
    await until('the provider has the call', () => scene.providers[0]!.requests.length === 1);
    scene.clock.advance(10 * PING_MS);
    await turns(200);
    assert.equal(call.bytesReceived, 0);
  }
});

test('R34: the official SDK does not notice pings', async () => {
  await using upstream = await startHandUpstream();
  await using scene = await setScene({ targets: [upstream.url], listen: LISTEN });
  const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${scene.gateway.dataUrl}/v1`, maxRetries: 0 });
  const asked = client.chat.completions.create({
    model: 'm',
    messages: [{ role: 'user', content: 'Hi' }],
    stream: true,
  });
  await reached(upstream);
  scene.clock.advance(PING_MS);
  const stream = await asked;
  const { response } = upstream.calls[0]!;
  response.writeHead(200, STREAM_HEADERS);
  response.write(ROLE + word('Hel'));
  await turns(200);
  scene.clock.advance(PING_MS);
  response.end(word('lo') + FINISH + DONE);
  let content = '';
  for await (const part of stream) content += part.choices[0]?.delta.content ?? '';
  assert.equal(content, 'Hello');
});
