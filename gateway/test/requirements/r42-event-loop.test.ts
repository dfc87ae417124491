/**
 * R42: large bodies do not hold up everybody else: nothing of a prompt or of an answer is parsed or tokenized but the few
 * fields that are needed. The work is bounded here; the delay it causes is reported, since a test machine's says little.
 */
import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { plainConfig, startTestGateway, TEST_KEY } from '../fakes/gateway.ts';
import { type HandCall, startHandUpstream } from '../fakes/hand-upstream.ts';
import { exchange, send } from '../fakes/http-client.ts';

const MB = 1_000_000;
const HEADERS = { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json' };

/** Counts what is given to `JSON.parse` in this process while `run` runs. */
async function parsedDuring(run: () => Promise<void>): Promise<{ characters: number; largest: number }> {
  const parse = JSON.parse;
  const seen = { characters: 0, largest: 0 };
  JSON.parse = (text: string, ...rest: []) => {
    seen.characters += text.length;
    seen.largest = Math.max(seen.largest, text.length);
    return parse(text, ...rest);
  };
  try {
    await run();
  } finally {
    JSON.parse = parse;
  }
  return seen;
}

/** Asks for the readiness over and over while `run` runs; tells the slowest answer and the delays of the event loop. */
async function watched(t: TestContext, adminUrl: string, run: () => Promise<void>): Promise<void> {
  const delays = monitorEventLoopDelay({ resolution: 5 });
  delays.enable();
  let over = false;
  let slowest = 0;
  const work = run().finally(() => {
    over = true;
  });
  while (!over) {
    const from = systemClock.monotonic();
    const { status } = await send({ url: adminUrl, method: 'GET', path: '/readyz' });
    assert.equal(status, 200);
    slowest = Math.max(slowest, systemClock.monotonic() - from);
  }
  await work;
  delays.disable();
  const ms = (nanoseconds: number) => Math.round(nanoseconds / 1e5) / 10;
  t.diagnostic(
    `event loop of caller, gateway and provider together: p50 ${ms(delays.percentile(50))} ms, p99 ${ms(delays.percentile(99))} ms, most ${ms(delays.max)} ms; slowest /readyz ${Math.round(slowest)} ms`,
  );
}

/** An answer of 5 MB in events, as fast as it is read, and then no end: who leaves has left before it. */
function streamed({ response }: HandCall): void {
  const event = (delta: object) =>
    `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`;
  const block = event({ content: 'some words of an answer ' }).repeat(400);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const blocks = (function* () {
    yield event({ role: 'assistant' });
    for (let bytes = 0; bytes < 5 * MB; bytes += block.length) yield block;
  })();
  Readable.from(blocks).pipe(response, { end: false });
}

function whole({ response }: HandCall): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end('{"id":"x","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1,"total_tokens":8}}');
}

test('R42: of a prompt of 10 MB only the few fields that matter are parsed', async (t) => {
  await using upstream = await startHandUpstream(whole);
  await using gateway = await startTestGateway({
    yaml: plainConfig({ providers: [upstream.url], limits: '[ { tokens: 1G/minute } ]', model: 'maxOutputTokens: 50' }),
  });
  const messages = [{ role: 'user', content: [{ type: 'text', text: 'word "quoted" \\ é '.repeat(MB / 2) }] }];
  const body = Buffer.from(JSON.stringify({ messages, metadata: { a: [1, { b: '}' }] }, model: 'm' }));
  assert.ok(body.length > 10 * MB);
  const parsed = await parsedDuring(() =>
    watched(t, gateway.adminUrl, async () => {
      for (let calls = 0; calls < 5; calls++) {
        const { status } = await send({ url: gateway.dataUrl, path: '/v1/chat/completions', headers: HEADERS, body });
        assert.equal(status, 200);
      }
    }),
  );
  assert.ok(parsed.largest < 1000, `${parsed.largest} characters were parsed at once`);
  assert.ok(parsed.characters < 5 * 1000, `${parsed.characters} characters were parsed`);
});

test('R42: of 30 streams of 5 MB that are abandoned hardly anything is parsed, and nothing is held afterwards', async (t) => {
  await using upstream = await startHandUpstream(streamed);
  await using gateway = await startTestGateway({
    yaml: plainConfig({ providers: [upstream.url], limits: '[ { tokens: 1G/minute }, { concurrency: 30 } ]' }),
  });
  let bytes = 0;
  const parsed = await parsedDuring(() =>
    watched(t, gateway.adminUrl, async () => {
      const calls = Array.from({ length: 30 }, (_, index) =>
        exchange({
          url: gateway.dataUrl,
          path: '/v1/chat/completions',
          headers: HEADERS,
          body: JSON.stringify({ model: 'm', messages: [], stream: true }),
          abort: { afterBytes: 500_000 + index * 100_000 },
        }),
      );
      for (const { done } of calls) {
        const received = await done;
        assert.equal(received.closed, 'aborted');
        bytes += received.bytes.length;
      }
      while (gateway.running > 0) await send({ url: gateway.adminUrl, method: 'GET', path: '/healthz' });
    }),
  );
  assert.ok(bytes > 30 * 500_000);
  assert.ok(parsed.largest < 10_000, `${parsed.largest} characters were parsed at once`);
  assert.ok(parsed.characters < bytes / 100, `${parsed.characters} of ${bytes} characters were parsed`);
  const records = await gateway.ledger.recent(100);
  assert.equal(records.length, 30);
  for (const { outcome, usage } of records) {
    assert.equal(outcome, 'client_closed');
    assert.equal(usage.source, 'estimated');
    assert.ok(usage.outputTokens > 0);
  }
  assert.equal(await gateway.limits.held(), 0);
  assert.equal(gateway.bodyBytes, 0);
});
