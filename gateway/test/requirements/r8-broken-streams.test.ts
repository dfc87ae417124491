import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../src/call.ts';
import { systemClock } from '../../src/clock.ts';
import { outputOf } from '../../src/policy/usage.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import type { Fault } from '../../src/provider/faults.ts';
import { startProvider } from '../../src/provider/server.ts';
import { DONE, ROLE, STREAM_HEADERS, startHandUpstream, word } from '../fakes/hand-upstream.ts';
import { type Chunk, contentEvents, dataOf, setScene } from '../fakes/scene.ts';
import { turns, until } from '../fakes/until.ts';

const IDLE_MS = 30_000;

interface Break {
  readonly name: string;
  readonly fault: Fault;
  readonly outcome: Outcome;
  /** Whether only a timer can notice it. */
  readonly silent?: boolean;
}

/** The role and three tokens come; then this. */
const BREAKS: readonly Break[] = [
  {
    name: 'is cut short in a complete HTTP message',
    fault: { kind: 'cut', after: { events: 4 } },
    outcome: 'truncated',
  },
  { name: 'is cut inside an event', fault: { kind: 'cut', after: { bytes: 700 } }, outcome: 'truncated' },
  { name: 'stalls', fault: { kind: 'stall', after: { events: 4 } }, outcome: 'timeout_idle', silent: true },
  { name: 'loses its connection', fault: { kind: 'close', after: { events: 4 } }, outcome: 'truncated' },
  { name: 'is reset', fault: { kind: 'reset', after: { events: 4 } }, outcome: 'truncated' },
  {
    name: 'carries an error instead of its rest',
    fault: { kind: 'error', afterEvents: 4 },
    outcome: 'upstream_error_in_stream',
  },
];

for (const { name, fault, outcome, silent = false } of BREAKS) {
  test(`R8: a stream that ${name} ends with an error frame and never with [DONE]`, async () => {
    await using scene = await setScene({ targets: [{ faults: [fault] }], timeouts: `{ idle: ${IDLE_MS}ms }` });
    const call = scene.call();
    if (silent) {
      await until('what came before is here', () => call.bytesReceived > 500);
      await turns();
      scene.clock.advance(IDLE_MS);
    }
    const received = await call.done;
    assert.deepEqual([received.status, received.closed], [200, 'end']);
    const data = dataOf(received.text);
    assert.ok(contentEvents(received.text) >= 1);
    assert.ok(!data.includes('[DONE]'));
    const last = data.at(-1) as Chunk;
    assert.equal(typeof last.error?.message, 'string');
    assert.equal(last.error?.type, 'server_error');
    assert.equal(data.filter((each) => (each as Chunk).error !== undefined).length, 1, 'exactly one error frame');
    assert.ok(received.text.endsWith('\n\n'));
    const record = await scene.record();
    assert.deepEqual([record.outcome, record.status, record.usage.source], [outcome, 200, 'estimated']);
    assert.ok(outputOf(record.usage) >= contentEvents(received.text));
    await scene.settled();
  });
}

const HALVES: readonly { readonly name: string; readonly fault: Fault }[] = [
  { name: 'truncated in a complete HTTP message', fault: { kind: 'cut', after: { bytes: 120 } } },
  { name: 'cut off with its connection', fault: { kind: 'close', after: { bytes: 120 } } },
  { name: 'cut off by a reset', fault: { kind: 'reset', after: { bytes: 120 } } },
  { name: 'empty', fault: { kind: 'empty' } },
  { name: 'a web page', fault: { kind: 'garbage', what: 'json' } },
  { name: 'half a document', fault: { kind: 'garbage', what: 'sse' } },
];

for (const { name, fault } of HALVES) {
  test(`R8: a JSON answer that is ${name} becomes a 502 in the caller's protocol`, async () => {
    await using scene = await setScene({ targets: [{ faults: [fault] }] });
    const received = await scene.call({ stream: false }).done;
    const { error } = JSON.parse(received.text) as { error: { type: string; message: string } };
    assert.equal(received.status, 502);
    assert.equal(error.type, 'server_error');
    assert.equal(received.headers['x-headgate-error-source'], 'upstream');
    const record = await scene.record();
    assert.equal(record.outcome, 'truncated');
    await scene.settled();
  });
}

test('R8: a stream that is empty, or is no stream at all, becomes a 502', async () => {
  for (const fault of [{ kind: 'empty' }, { kind: 'cut', after: { events: 1 } }] satisfies Fault[]) {
    await using scene = await setScene({ targets: [{ faults: [fault] }] });
    const received = await scene.call().done;
    assert.equal(received.status, 502);
    assert.equal((await scene.record()).outcome, 'truncated');
    await scene.settled();
  }
});

test('R8: a complete stream that merely lacks [DONE] is a success at once, byte for byte', async () => {
  await using scene = await setScene({ targets: [{ faults: [{ kind: 'no-done' }] }] });
  const received = await scene.call({ body: { stream_options: { include_usage: true } } }).done;
  assert.deepEqual([received.status, received.closed], [200, 'end']);
  assert.ok(dataOf(received.text).every((data) => data !== '[DONE]' && data.error === undefined));
  const record = await scene.record();
  assert.deepEqual([record.outcome, record.usage.source, outputOf(record.usage)], ['ok', 'provider', 10]);
  await scene.settled();
});

test('R8: a stream that breaks behind its finish reason is a success, and one that hangs there becomes one', async () => {
  // The role, ten tokens and the finish reason.
  const after = { events: 12 };
  for (const kind of ['cut', 'close', 'reset', 'stall'] as const) {
    await using scene = await setScene({
      targets: [{ faults: [{ kind, after }] }],
      timeouts: `{ idle: ${IDLE_MS}ms }`,
    });
    const call = scene.call();
    if (kind === 'stall') {
      await until('everything is here', () => call.bytesReceived > 2000);
      await turns();
      scene.clock.advance(IDLE_MS);
    }
    const received = await call.done;
    assert.ok(dataOf(received.text).every((data) => data !== '[DONE]' && data.error === undefined));
    const record = await scene.record();
    assert.deepEqual([record.outcome, record.usage.source], ['ok', 'estimated'], kind);
    assert.ok(outputOf(record.usage) >= 10);
    await scene.settled();
  }
});

test('R8: a provider that cannot be reached, or speaks no HTTP, is a 503 in JSON, whether a stream was asked for or not', async () => {
  const gone = await startProvider({ clock: systemClock });
  await gone.close();
  for (const target of [{ faults: [{ kind: 'garbage', what: 'http' }] } satisfies Behaviour, gone.url]) {
    for (const stream of [true, false]) {
      await using scene = await setScene({ targets: [target] });
      const received = await scene.call({ stream }).done;
      assert.equal(received.status, 503);
      assert.match(received.headers['content-type'] ?? '', /^application\/json/);
      assert.ok('error' in (JSON.parse(received.text) as object));
      const record = await scene.record();
      assert.deepEqual([record.outcome, record.usage.source], ['upstream_error', 'none']);
      await scene.settled();
    }
  }
});

const ERROR = 'data: {"error":{"message":"It broke.","type":"server_error"}}';

test('R8: an error event that is cut off behind its line is ended, since clients discard an event without its blank line', async () => {
  for (const [cut, missing] of [
    [ERROR, '\n\n'],
    [`${ERROR}\n`, '\n'],
    [`${ERROR}\r\n`, '\n'],
  ] as const) {
    await using upstream = await startHandUpstream(({ response }) =>
      response.writeHead(200, STREAM_HEADERS).end(ROLE + word('Hel') + cut),
    );
    await using scene = await setScene({ targets: [upstream.url] });
    const { text } = await scene.call().done;
    assert.equal(text, ROLE + word('Hel') + cut + missing);
    assert.equal((await scene.record()).outcome, 'upstream_error_in_stream');
    await scene.settled();
  }
});

test('R8: a stream ends with its error event, whatever the provider does behind it', async () => {
  await using upstream = await startHandUpstream(({ response }) => {
    response.writeHead(200, STREAM_HEADERS).write(`${ROLE}${word('Hel')}${ERROR}\n\n${DONE}`);
  });
  await using scene = await setScene({ targets: [upstream.url] });
  const { text, closed } = await scene.call().done;
  assert.deepEqual([text, closed], [`${ROLE}${word('Hel')}${ERROR}\n\n`, 'end']);
  await until('the provider was let go', () => upstream.connections === 0);
  await scene.settled();
});

test('R8: an error event is passed on also when the stream said too much without content to be held back', async () => {
  const comments = ': thinking\n\n'.repeat(50_000);
  await using upstream = await startHandUpstream(({ response }) => {
    response.writeHead(200, STREAM_HEADERS).end(`${comments}${ERROR}\n\n`);
  });
  await using scene = await setScene({ targets: [upstream.url] });
  const { status, text } = await scene.call().done;
  assert.equal(status, 200);
  assert.ok(text === `${comments}${ERROR}\n\n`);
  assert.equal((await scene.record()).outcome, 'upstream_error_in_stream');
  await scene.settled();
});

test('R8: a stream is known by its content type, in upper or lower case', async () => {
  await using upstream = await startHandUpstream(({ response }) => {
    response.writeHead(200, { 'content-type': 'Text/Event-Stream; charset=UTF-8' }).end(ROLE + word('Hel'));
  });
  await using scene = await setScene({ targets: [upstream.url] });
  const { text } = await scene.call().done;
  assert.equal((dataOf(text).at(-1) as Chunk).error?.code, 'upstream_truncated');
  assert.equal((await scene.record()).outcome, 'truncated');
  await scene.settled();
});
