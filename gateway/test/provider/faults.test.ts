import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Behaviour } from '../../src/provider/answer.ts';
import type { Fault } from '../../src/provider/faults.ts';
import { seeded } from '../../src/provider/seeded.ts';
import { type SimulatedProvider, startProvider } from '../../src/provider/server.ts';
import { exchange, type Received, type SendOptions, send } from '../fakes/http-client.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const clock = new VirtualClock();
let provider: SimulatedProvider;
let behaviour: Behaviour = {};

before(async () => {
  provider = await startProvider({ clock, tokens: 10, script: () => behaviour });
});
after(() => provider.close());

const options = (stream: boolean): SendOptions => ({
  url: provider.url,
  path: '/v1/chat/completions',
  body: {
    model: 'sim',
    messages: [{ role: 'user', content: 'Hello' }],
    stream,
    stream_options: { include_usage: true },
  },
});

function under(stream: boolean, ...faults: Fault[]): Promise<Received> {
  behaviour = { faults };
  return send(options(stream));
}

const events = ({ text }: Received): string[] => text.split('\n\n').filter(Boolean);

test('status: the chosen status, body and headers', async () => {
  const own = await under(true, {
    kind: 'status',
    status: 429,
    body: { error: 'mine' },
    headers: ['retry-after', '7', 'x-a', 'b'],
  });
  assert.deepEqual(
    [own.status, own.text, own.headers['retry-after'], own.headers['x-a']],
    [429, '{"error":"mine"}', '7', 'b'],
  );
  const text = await under(false, { kind: 'status', status: 502, body: '<html>', headers: [] });
  assert.deepEqual([text.status, text.text, text.closed], [502, '<html>', 'end']);
});

test('status: without more, the usual error of that status; 429 and 503 say when to come back', async () => {
  for (const [status, type, retryAfter] of [
    [500, 'server_error', undefined],
    [503, 'server_error', '1'],
    [429, 'rate_limit_error', '1'],
    [401, 'invalid_request_error', undefined],
    [413, 'invalid_request_error', undefined],
  ] as const) {
    const received = await under(false, { kind: 'status', status });
    assert.deepEqual(
      [received.status, JSON.parse(received.text).error.type, received.headers['retry-after']],
      [status, type, retryAfter],
    );
  }
});

test('delay: no header before its time, and then everything', async () => {
  behaviour = { faults: [{ kind: 'delay', ms: 400_000 }] };
  const { headers, done } = exchange(options(true));
  let came = false;
  void headers.then(() => (came = true));
  await until('its timer waits', () => clock.pending === 1);
  clock.advance(399_999);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(came, false);
  clock.advance(1);
  assert.equal((await done).closed, 'end');
});

test('first-token: headers and role at once, no content before its time', async () => {
  behaviour = { faults: [{ kind: 'first-token', ms: 1000 }] };
  const { headers, done } = exchange(options(true));
  assert.equal(await headers, 200);
  assert.equal(provider.requests.at(-1)!.entry.generatedTokens, 0);
  clock.advance(1000);
  assert.equal(provider.requests.at(-1)!.entry.generatedTokens, 10);
  assert.equal((await done).closed, 'end');
});

test('stall: so many events, then an open connection and silence', async () => {
  for (const [stream, bytes] of [
    [true, 4],
    [false, 0],
  ] as const) {
    behaviour = { faults: [{ kind: 'stall', after: { events: bytes } }] };
    const stalled = exchange(options(stream));
    await stalled.headers;
    if (stream) await until('three tokens are written', () => provider.requests.at(-1)!.entry.writtenTokens === 3);
    clock.advance(3_600_000);
    assert.equal(provider.requests.at(-1)!.entry.state, 'open');
    stalled.abort();
    const received = await stalled.done;
    assert.equal(events(received).length, bytes);
    await until('it is aborted', () => provider.requests.at(-1)!.entry.state === 'aborted');
  }
});

test('cut: the HTTP message is complete, the answer in it is not', async () => {
  const stream = await under(true, { kind: 'cut', after: { events: 4 } });
  assert.deepEqual([stream.closed, events(stream).length, stream.text.includes('[DONE]')], ['end', 4, false]);
  const json = await under(false, { kind: 'cut', after: { events: 4 } });
  assert.equal(json.closed, 'end');
  assert.throws(() => JSON.parse(json.text));
});

for (const [kind, closed] of [
  ['cut', 'end'],
  ['close', 'cut'],
  ['reset', 'reset'],
] as const) {
  test(`${kind}: exactly so many bytes, streamed or not, and then the connection is as it says`, async () => {
    for (const stream of [true, false]) {
      for (const bytes of [0, 1, 100]) {
        const received = await under(stream, { kind, after: { bytes } });
        assert.deepEqual([received.status, received.bytes.length, received.closed], [200, bytes, closed]);
      }
    }
  });

  test(`${kind}: a point beyond the end still leaves the answer incomplete`, async () => {
    for (const after of [{ events: 10_000 }, { bytes: 1_000_000 }]) {
      const whole = await under(true);
      const received = await under(true, { kind, after });
      assert.deepEqual([received.bytes.length, received.closed], [Math.floor(whole.bytes.length / 2), closed]);
    }
  });
}

test('error: so many events, then an error event, and no [DONE]; a JSON answer is an error under status 200', async () => {
  const stream = await under(true, { kind: 'error', afterEvents: 3 });
  assert.equal(events(stream).length, 4);
  assert.equal(JSON.parse(events(stream)[3]!.slice('data: '.length)).error.type, 'server_error');
  assert.equal(stream.closed, 'end');
  const json = await under(false, { kind: 'error', afterEvents: 3 });
  assert.deepEqual([json.status, JSON.parse(json.text).error.type], [200, 'server_error']);
});

test('garbage: no HTTP, no JSON, or half an event among the good ones', async () => {
  assert.equal((await under(true, { kind: 'garbage', what: 'http' })).closed, 'garbage');
  const json = await under(false, { kind: 'garbage', what: 'json' });
  assert.match(json.text, /^<!doctype html>/);
  assert.equal(json.headers['content-type'], 'application/json');
  const whole = await under(true);
  const sse = await under(true, { kind: 'garbage', what: 'sse' });
  assert.equal(events(sse).length, events(whole).length + 1);
  assert.throws(() => JSON.parse(events(sse)[1]!.slice('data: '.length)));
});

test('empty: status 200 and nothing', async () => {
  for (const stream of [true, false]) {
    const { status, bytes, closed } = await under(stream, { kind: 'empty' });
    assert.deepEqual([status, bytes.length, closed], [200, 0, 'end']);
  }
});

test('no-done: finish reason and usage, and then the end without [DONE]', async () => {
  const received = await under(true, { kind: 'no-done' });
  assert.match(received.text, /"finish_reason":"stop".*\n\n.*"choices":\[\],"usage":\{.*\}\n\n$/);
  assert.equal(received.closed, 'end');
});

test('silent: the connection is accepted, and nothing comes', async () => {
  behaviour = { faults: [{ kind: 'silent' }] };
  const before = provider.accepted;
  const silent = exchange(options(true));
  await until('it is silent', () => provider.requests.at(-1)!.entry.faults[0] === 'silent');
  assert.equal(provider.accepted, before + 1);
  silent.abort();
  assert.equal((await silent.done).status, null);
});

test('faults add up, in the order given', async () => {
  const received = await under(false, { kind: 'status', status: 500 }, { kind: 'cut', after: { bytes: 5 } });
  assert.deepEqual([received.status, received.text], [500, '{"err']);
});

test('a fault with a chance befalls that share of the requests, and a seed repeats which', async () => {
  const statuses = async (): Promise<string> => {
    const chances = [{ fault: { kind: 'status', status: 500 }, rate: 0.3 } as const];
    const lucky = await startProvider({ clock, random: seeded(5), tokens: 1, chances });
    try {
      let all = '';
      for (let count = 0; count < 100; count++) {
        const { status } = await send({ ...options(false), url: lucky.url });
        all += status === 500 ? 'x' : '.';
      }
      return all;
    } finally {
      await lucky.close();
    }
  };
  const first = await statuses();
  assert.equal(await statuses(), first);
  const hit = first.replaceAll('.', '').length;
  assert.ok(hit > 15 && hit < 45, `${hit} of 100`);
});

test('no socket is left when all have ended', async () => {
  await until('no connection is left', () => provider.connections === 0);
  assert.equal(provider.book.totals.open, 0);
});
