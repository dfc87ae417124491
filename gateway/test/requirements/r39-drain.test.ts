/** R39, for one process: SIGTERM lets what runs finish, takes nothing new, tells the rest, and loses no row of the ledger. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { type SimulatedProvider, startProvider } from '../../src/provider/server.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite-ledger.ts';
import { type ChildGateway, startChildGateway } from '../fakes/child-gateway.ts';
import { plainConfig, TEST_KEY } from '../fakes/gateway.ts';
import { type Exchange, exchange, send } from '../fakes/http-client.ts';
import { openRaw, statusOf } from '../fakes/raw-http.ts';
import { CHAT, errorOf } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const PACE_MS = 100;
const TOKENS = 20;

interface Draining extends AsyncDisposable {
  readonly child: ChildGateway;
  readonly provider: SimulatedProvider;
  /** Time passes at the provider: it sends on. */
  advance(ms: number): void;
  /** Waits until the streams flow, in the time of their first tokens: they have far to go. */
  flowing(streams: readonly Exchange[]): Promise<void>;
  call(stream: boolean): Exchange;
  /** SIGTERM; resolves when the gateway drains, or is already gone: with a short drain time a busy machine may not see it drain. */
  terminate(): Promise<void>;
  /** What is on the ledger, once the gateway is gone. */
  outcomes(): Promise<readonly (readonly [outcome: string, outputTokens: number])[]>;
}

async function startDraining(drain: string): Promise<Draining> {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-drain-'));
  const paced = new VirtualClock();
  const provider = await startProvider({ clock: paced, tokens: TOKENS, pacing: { ttftMs: PACE_MS, paceMs: PACE_MS } });
  const child = await startChildGateway(directory, plainConfig({ providers: [provider.url] }), `drain: ${drain}`);
  return {
    child,
    provider,
    advance: (ms) => paced.advance(ms),
    async flowing(streams) {
      paced.advance(PACE_MS);
      await until('the streams flow', () => streams.every(({ bytesReceived }) => bytesReceived > 0));
    },
    call: (stream) =>
      exchange({
        url: child.dataUrl,
        path: '/v1/chat/completions',
        headers: { authorization: `Bearer ${TEST_KEY}` },
        body: { ...CHAT, max_tokens: TOKENS, stream },
      }),
    async terminate() {
      child.signal('SIGTERM');
      const giveUpAt = systemClock.monotonic() + 20_000;
      while ((await readiness(child.adminUrl)) === 200) {
        if (systemClock.monotonic() > giveUpAt) throw new Error('it never began to drain');
      }
    },
    async outcomes() {
      const ledger = await openSqliteLedger({
        path: join(directory, 'ledger.db'),
        clock: systemClock,
        log: () => undefined,
      });
      const records = await ledger.recent(1000);
      await ledger.close();
      return records.map(({ outcome, usage }) => [outcome, usage.outputTokens] as const);
    },
    async [Symbol.asyncDispose]() {
      await child.kill();
      await provider.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function readiness(url: string): Promise<number | null> {
  return (await send({ url, method: 'GET', path: '/readyz' })).status;
}

test('R39: what runs finishes, readiness fails at once, no connection is taken, and the exit code is 0', async () => {
  await using scene = await startDraining('60s');
  const { child, provider } = scene;
  assert.equal(await readiness(child.dataUrl), 200);
  assert.equal(await readiness(child.adminUrl), 200);
  const idle = openRaw(child.dataUrl);
  idle.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('a connection is kept alive', () => idle.text.includes('"ok"'));
  const streams = Array.from({ length: 20 }, () => scene.call(true));
  const whole = scene.call(false);
  await until('all are at the provider', () => provider.book.totals.requests === 21);
  await scene.flowing(streams);

  await scene.terminate();
  assert.equal(
    (await send({ url: child.adminUrl, method: 'GET', path: '/healthz' })).status,
    200,
    'it is alive all the same',
  );
  assert.equal((await scene.call(true).done).closed, 'refused');
  await idle.closed;
  assert.equal(provider.book.totals.requests, 21);

  scene.advance(PACE_MS * TOKENS * 2);
  for (const stream of streams) {
    const { text, closed } = await stream.done;
    assert.equal(closed, 'end');
    assert.ok(text.endsWith('data: [DONE]\n\n'));
  }
  assert.equal((await whole.done).status, 200);
  assert.equal(await child.exited, 0);
  assert.deepEqual(await scene.outcomes(), Array(21).fill(['ok', TOKENS]));
  assert.equal(provider.book.totals.generatedTokens, 21 * TOKENS);
});

test('R39: what has not finished in the drain time is told so, in the stream or by status, and is on the ledger', async () => {
  await using scene = await startDraining('300ms');
  const { child, provider } = scene;
  const stream = scene.call(true);
  const whole = scene.call(false);
  await until('both are at the provider', () => provider.book.totals.requests === 2);
  await scene.flowing([stream]);
  await scene.terminate();

  const cut = await stream.done;
  assert.equal(cut.closed, 'end');
  const last = cut.text.trimEnd().split('\n\n').at(-1)!;
  assert.match(last, /^data: \{"error":\{"message":"This gateway is shutting down; another one will answer\."/);
  assert.equal(JSON.parse(last.slice('data: '.length)).error.code, 'draining');
  assert.ok(!cut.text.includes('[DONE]'));
  const refused = await whole.done;
  assert.equal(refused.status, 503);
  assert.equal(errorOf(refused).code, 'draining');
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal(refused.headers['x-should-retry'], 'true');
  assert.equal(await child.exited, 0);
  await until('the provider was let go', () => provider.book.totals.aborted === 2);
  const outcomes = await scene.outcomes();
  assert.deepEqual(
    outcomes.map(([outcome]) => outcome),
    ['drained', 'drained'],
  );
  assert.ok(outcomes.some(([, tokens]) => tokens > 0));
});

test('R39: a request on a connection that is still open is told to come again elsewhere, and reaches nothing', async () => {
  await using scene = await startDraining('60s');
  const { child, provider } = scene;
  const body = JSON.stringify({ ...CHAT, max_tokens: 1 });
  const wire = (key: string) =>
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  // One key is valid and one is not: who calls is not even looked at.
  const open = [TEST_KEY, 'sk-nobody'].map((key) => ({ key, connection: openRaw(child.dataUrl) }));
  for (const { connection } of open) connection.write(wire(TEST_KEY));
  const stream = scene.call(true);
  await until('all are at the provider', () => provider.book.totals.requests === 3);
  await scene.terminate();
  // Enough for them, and not for the stream.
  scene.advance(PACE_MS * 3);
  await until('the short ones are answered, and their connections stay open', () =>
    open.every(({ connection }) => statusOf(connection.text) === 200 && connection.text.endsWith('}')),
  );
  for (const { key, connection } of open) {
    const before = connection.text.length;
    connection.write(wire(key));
    const answer = (await connection.closed).slice(before);
    assert.equal(statusOf(answer), 503);
    assert.match(answer, /^retry-after: 1\r$/im);
    assert.match(answer, /^connection: close\r$/im);
    assert.match(answer, /^x-headgate-error-source: gateway\r$/im);
    assert.match(answer, /"code":"draining"/);
  }
  scene.advance(PACE_MS * TOKENS * 2);
  assert.ok((await stream.done).text.endsWith('data: [DONE]\n\n'), 'what ran before is not disturbed');
  assert.equal(await child.exited, 0);
  assert.equal(provider.book.totals.requests, 3);
  assert.deepEqual(
    (await scene.outcomes()).map(([outcome]) => outcome),
    Array(3).fill('ok'),
  );
});

test('R39: a second signal ends it at once', async () => {
  await using scene = await startDraining('60s');
  const stream = scene.call(true);
  await until('it is at the provider', () => scene.provider.book.totals.requests === 1);
  await scene.terminate();
  scene.child.signal('SIGTERM');
  assert.equal(await scene.child.exited, 1);
  assert.notEqual((await stream.done).closed, 'end');
});
