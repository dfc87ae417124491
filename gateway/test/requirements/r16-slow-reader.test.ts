import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { startChildGateway } from '../fakes/child-gateway.ts';
import { plainConfig, TEST_KEY } from '../fakes/gateway.ts';
import { FINISH, type HandCall, ROLE, STREAM_HEADERS, startHandUpstream, word } from '../fakes/hand-upstream.ts';
import { exchange } from '../fakes/http-client.ts';
import { type Scene, setScene } from '../fakes/scene.ts';
import { turns, until } from '../fakes/until.ts';

const MIB = 1024 * 1024;
/** What the provider has to say, and what may wait in the gateway for one caller. */
const SAID_BYTES = 200 * MIB;
const HELD_BYTES_MAX = MIB;
const STALL_MS = 20_000;
const QUIET_MS = 100;

/** Whole events, some 64 KiB; one buffer for all, so that what waits at the provider's side weighs nothing. */
const EVENTS = Buffer.from(word('x'.repeat(900)).repeat(60));

/** Says as much as it is let, up to SAID_BYTES; answers how much that was so far. */
function talk({ response }: HandCall): { readonly said: number } {
  const progress = { said: 0 };
  const go = (): void => {
    while (progress.said < SAID_BYTES && !response.destroyed) {
      progress.said += EVENTS.length;
      if (!response.write(EVENTS)) return void response.once('drain', go);
    }
    if (!response.destroyed) response.end(FINISH);
  };
  response.writeHead(200, STREAM_HEADERS);
  response.write(ROLE);
  go();
  return progress;
}

/** Waits until `progress` has stood still for a while: nobody reads and nobody writes any more. */
async function stillness(progress: () => number): Promise<void> {
  let [last, since] = [-1, systemClock.monotonic()];
  await until('it stands still', () => {
    const now = systemClock.monotonic();
    if (progress() !== last) [last, since] = [progress(), now];
    return last > 0 && now - since > QUIET_MS;
  });
}

/** Sees, from inside this process, what the gateway holds: what it wrote and nobody took, what it received and has not read. */
function watch(port: number) {
  const responses = new Set<ServerResponse>();
  const upstreams = new Set<Socket>();
  const began = (message: unknown): void => {
    const { response, socket } = message as { response: ServerResponse; socket: Socket };
    if (socket.localPort === port) responses.add(response);
  };
  const connected = (message: unknown): void => void upstreams.add((message as { socket: Socket }).socket);
  channel('http.server.request.start').subscribe(began);
  channel('undici:client:connected').subscribe(connected);
  return {
    get heldMost() {
      const written = [...responses].map((response) => response.writableLength);
      const unread = [...upstreams].map((socket) => socket.readableLength);
      return Math.max(0, ...written) + Math.max(0, ...unread);
    },
    [Symbol.dispose]() {
      channel('http.server.request.start').unsubscribe(began);
      channel('undici:client:connected').unsubscribe(connected);
    },
  };
}

const portOf = (scene: Scene) => Number(new URL(scene.gateway.dataUrl).port);

test('R16: a caller that reads nothing stops the provider, holds at most 1 MiB, and is dropped after writeStall', async () => {
  const talks: { readonly said: number }[] = [];
  await using upstream = await startHandUpstream((call) => talks.push(talk(call)));
  await using scene = await setScene({
    targets: [upstream.url],
    listen: `writeStall: ${STALL_MS}ms`,
    timeouts: '{ idle: 5s }',
  });
  using gateway = watch(portOf(scene));
  const call = scene.call({ readNothing: true });
  await until('the provider talks', () => talks.length === 1);
  await stillness(() => talks[0]!.said);
  assert.ok(talks[0]!.said < SAID_BYTES / 4, `the provider could say ${talks[0]!.said} bytes`);
  assert.ok(gateway.heldMost > 0 && gateway.heldMost <= HELD_BYTES_MAX, `${gateway.heldMost} bytes are held`);
  scene.clock.advance(STALL_MS - 1);
  await turns();
  assert.equal(scene.gateway.running, 1, 'the provider is not blamed for a slow caller, and the caller has its time');
  // A drop that still reached the caller's socket may have begun the wait anew.
  await until('the call is over', () => {
    scene.clock.advance(1);
    return scene.gateway.running === 0;
  });
  await until('the provider is let go', () => upstream.connections === 0);
  call.read();
  assert.notEqual((await call.done).closed, 'end');
  const record = await scene.record();
  assert.deepEqual([record.outcome, record.usage.source], ['client_closed', 'estimated']);
  await scene.settled();
});

test('R16: a caller that was slow and reads on gets every byte, and the provider goes on', async () => {
  const talks: { readonly said: number }[] = [];
  await using upstream = await startHandUpstream((call) => talks.push(talk(call)));
  await using scene = await setScene({
    targets: [upstream.url],
    listen: `writeStall: ${STALL_MS}ms`,
    timeouts: '{ idle: 5s }',
  });
  using gateway = watch(portOf(scene));
  const call = scene.call({ readNothing: true });
  await until('the provider talks', () => talks.length === 1);
  await stillness(() => talks[0]!.said);
  scene.clock.advance(STALL_MS - 1);
  call.read();
  let most = 0;
  await until('everything is said', () => {
    most = Math.max(most, gateway.heldMost);
    return talks[0]!.said >= SAID_BYTES;
  });
  const received = await call.done;
  assert.equal(received.closed, 'end');
  assert.equal(received.bytes.length, ROLE.length + talks[0]!.said + FINISH.length);
  assert.ok(most <= HELD_BYTES_MAX, `${most} bytes were held`);
  assert.equal((await scene.record()).outcome, 'ok');
});

test('R16: many callers that read nothing leave the memory of the gateway bounded, and all are dropped', async (t) => {
  const CALLERS = 30;
  const talks: { readonly said: number }[] = [];
  await using upstream = await startHandUpstream((call) => talks.push(talk(call)));
  const directory = mkdtempSync(join(tmpdir(), 'headgate-slow-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  await using gateway = await startChildGateway(
    directory,
    plainConfig({ providers: [upstream.url] }),
    'writeStall: 1s',
  );
  const options = {
    url: gateway.dataUrl,
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${TEST_KEY}` },
  };
  const body = { model: 'm', messages: [], stream: true };
  const flood = () => Array.from({ length: CALLERS }, () => exchange({ ...options, body, readNothing: true }));
  const still = async (talking: number): Promise<void> => {
    await until('the provider talks to all', () => talks.length === talking);
    await stillness(() => talks.reduce((sum, { said }) => sum + said, 0));
  };
  const calls = flood();
  await still(CALLERS);
  // Garbage comes and goes with each flood; what callers hold is there every time.
  let grown = Number.POSITIVE_INFINITY;
  for (let round = 2; round <= 4 && grown > CALLERS * HELD_BYTES_MAX; round++) {
    await until('every provider is let go', () => upstream.connections === 0);
    const before = gateway.rss();
    calls.push(...flood());
    await still(round * CALLERS);
    grown = Math.min(grown, gateway.rss() - before);
  }
  t.diagnostic(`${(grown / MIB / CALLERS).toFixed(2)} MiB for each of ${CALLERS} callers`);
  assert.ok(grown <= CALLERS * HELD_BYTES_MAX, `${grown / MIB} MiB for ${CALLERS} callers`);
  for (const { said } of talks) assert.ok(said < SAID_BYTES / 4);
  await until('every provider is let go', () => upstream.connections === 0);
  for (const call of calls) call.read();
  assert.ok((await Promise.all(calls.map(({ done }) => done))).every(({ closed }) => closed !== 'end'));
});

test('R16: a caller that reads nothing of an answer that is already whole is dropped after writeStall too', async () => {
  for (const stream of [true, false]) {
    // A last piece that no socket takes at once.
    const text = 'x'.repeat(20 * MIB);
    await using upstream = await startHandUpstream(({ response }) => {
      if (stream) response.writeHead(200, STREAM_HEADERS).end(word('Hi') + word(text) + FINISH);
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ choices: [], text }));
    });
    await using scene = await setScene({
      targets: [upstream.url],
      limits: '[ { concurrency: 1 } ]',
      listen: `writeStall: ${STALL_MS}ms`,
    });
    using gateway = watch(portOf(scene));
    const call = scene.call({ stream, readNothing: true });
    assert.equal(await call.headers, 200);
    await stillness(() => gateway.heldMost);
    assert.equal(scene.gateway.running, 1);
    scene.clock.advance(STALL_MS);
    assert.equal((await scene.record()).outcome, 'client_closed', stream ? 'stream' : 'JSON');
    await scene.settled();
  }
});

test('R16: a slow caller that keeps reading an answer in one piece is not dropped', async () => {
  const body = JSON.stringify({ choices: [], text: 'x'.repeat(32 * MIB) });
  await using upstream = await startHandUpstream(({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  });
  await using scene = await setScene({ targets: [upstream.url], listen: `writeStall: ${STALL_MS}ms` });
  const request = httpRequest(`${scene.gateway.dataUrl}/v1/chat/completions`, {
    method: 'POST',
    agent: false,
    headers: { authorization: `Bearer ${TEST_KEY}` },
  }).end('{"model":"m","messages":[]}');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let seen = 0;
  // Nothing more is read while an iteration lasts: a third of the time that is allowed, for each MiB.
  for await (const part of response as AsyncIterable<Buffer>) {
    const before = seen;
    seen += part.length;
    if (Math.floor(before / MIB) === Math.floor(seen / MIB)) continue;
    await turns();
    scene.clock.advance(STALL_MS / 3);
  }
  assert.equal(seen, body.length);
  assert.equal((await scene.record()).outcome, 'ok');
});
