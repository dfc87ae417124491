/** R43: bodies are bounded, one by one and together; what is too large is refused before it is held, readably. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { snapshotFrom } from '../fakes/config.ts';
import { TEST_KEY } from '../fakes/gateway.ts';
import { openRaw, statusOf } from '../fakes/raw-http.ts';
import { CHAT, errorOf, startStand } from '../fakes/stand.ts';
import { turns, until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const MiB = 1024 * 1024;
const DEFAULT_MAX = 32 * MiB;
const HEAD = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TEST_KEY}\r\n`;

/** A valid chat body of exactly `bytes`. */
function bodyOf(bytes: number): string {
  const empty = JSON.stringify({ ...CHAT, pad: '' }).length;
  return JSON.stringify({ ...CHAT, pad: 'x'.repeat(bytes - empty) });
}

/** The body of a raw answer. */
const textOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4);

test('R43: 32 MiB is the default, and a body of exactly that passes', async () => {
  assert.equal(snapshotFrom('region: x').listen.bodyBytesMax, DEFAULT_MAX);
  await using stand = await startStand({ providers: [{ keepRequests: false }] });
  const received = await stand.ask({ body: bodyOf(DEFAULT_MAX) });
  assert.equal(received.status, 200, received.text);
  assert.equal(stand.gateway.bodyBytes, 0);
});

test('R43: a body over the limit is refused by its stated length, before a byte of it came', async () => {
  await using stand = await startStand();
  const connection = openRaw(stand.gateway.dataUrl);
  connection.write(`${HEAD}content-length: ${DEFAULT_MAX + 1}\r\n\r\n`);
  await until('the refusal is there', () => connection.text.endsWith('}}}'));
  assert.equal(statusOf(connection.text), 413);
  const { error } = JSON.parse(textOf(connection.text));
  assert.equal(error.code, 'body_too_large');
  assert.match(error.message, /33554433 bytes/);
  assert.match(error.message, /limit of 33554432 bytes/);
  assert.equal(stand.gateway.bodyBytes, 0);
  connection.socket.destroy();
});

test('R43: a body that does not state its length is refused at the first byte over the limit', async () => {
  await using stand = await startStand({ listen: 'bodyMax: 1KiB' });
  const connection = openRaw(stand.gateway.dataUrl);
  connection.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
  for (let half = 1; half <= 2; half++) {
    connection.write(`200\r\n${' '.repeat(512)}\r\n`);
    await until('it is held', () => stand.gateway.bodyBytes === half * 512);
  }
  await turns();
  assert.equal(connection.text, '', 'refused at the limit, not over it');
  connection.write('1\r\n \r\n');
  await until('the refusal is there', () => connection.text.endsWith('}}}'));
  assert.equal(statusOf(connection.text), 413);
  assert.match(textOf(connection.text), /body of 1025 bytes or more is over the limit of 1024 bytes/);
  await until('it is given back', () => stand.gateway.bodyBytes === 0);
  connection.socket.destroy();
  assert.equal(stand.seen, 0);
});

test('R43: ordinary clients can read the refusal, though they are still sending', async () => {
  await using stand = await startStand();
  const { dataUrl } = stand.gateway;
  const tooLarge = bodyOf(DEFAULT_MAX + 1);
  const headers = { authorization: `Bearer ${TEST_KEY}` };
  const sent = await stand.ask({ body: tooLarge });
  assert.equal(sent.status, 413);
  assert.equal(sent.closed, 'end');
  const fetched = await fetch(`${dataUrl}/v1/chat/completions`, { method: 'POST', headers, body: tooLarge });
  assert.equal(fetched.status, 413);
  assert.equal(((await fetched.json()) as { error: { code: string } }).error.code, 'body_too_large');
  const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${dataUrl}/v1`, maxRetries: 3 });
  const call = client.chat.completions.create({
    model: 'm',
    messages: [{ role: 'user', content: 'x'.repeat(DEFAULT_MAX) }],
  });
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof OpenAI.APIError);
    assert.equal(error.status, 413);
    assert.equal(error.code, 'body_too_large');
    return true;
  });
  const refusals = (await stand.gateway.ledger.recent(10)).map(({ code, outcome }) => [code, outcome]);
  assert.deepEqual(refusals, Array(3).fill(['body_too_large', 'rejected_listen']), 'no client tried again');
  assert.equal(stand.gateway.bodyBytes, 0);
});

test('R43: all bodies together are bounded: one too many gets 503 with a wait, and passes when there is room', async () => {
  await using stand = await startStand({ listen: 'bodyMax: 1MiB, inflightMax: 1MiB' });
  const whole = bodyOf(800_000);
  const first = openRaw(stand.gateway.dataUrl);
  first.write(`${HEAD}connection: close\r\ncontent-length: ${whole.length}\r\n\r\n${whole.slice(0, 100)}`);
  await until('its length is taken', () => stand.gateway.bodyBytes === whole.length);

  const refused = await stand.ask({ body: whole });
  assert.equal(refused.status, 503);
  assert.equal(errorOf(refused).code, 'overloaded');
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal(refused.closed, 'end');
  assert.equal((await stand.ask()).status, 200, 'there is room for a small one');
  assert.equal(stand.gateway.bodyBytes, whole.length);

  first.write(whole.slice(100));
  assert.equal(statusOf(await first.closed), 200);
  assert.equal((await stand.ask({ body: whole })).status, 200);
  assert.equal(stand.gateway.bodyBytes, 0);
});

test('R43: bodies without a length count as they come, against the same bound', async () => {
  await using stand = await startStand({ listen: 'bodyMax: 1MiB, inflightMax: 1000B' });
  const connection = openRaw(stand.gateway.dataUrl);
  connection.write(`${HEAD}transfer-encoding: chunked\r\n\r\n3e8\r\n${' '.repeat(1000)}\r\n`);
  await until('it is held', () => stand.gateway.bodyBytes === 1000);
  connection.write('1\r\n \r\n');
  await until('the refusal is there', () => connection.text.endsWith('}}}'));
  assert.equal(statusOf(connection.text), 503);
  await until('it is given back', () => stand.gateway.bodyBytes === 0);
  connection.socket.destroy();
});

test('R43: a body is given back however its request ends', async () => {
  await using stand = await startStand({ limits: '[ { requests: 1/minute } ]', listen: 'bodyMax: 64KiB' });
  const body = bodyOf(50_000);
  for (const ask of [{ body }, { body }, { body: body.slice(0, -1) }, { body, key: 'sk-unknown' }])
    await stand.ask(ask);
  const leaving = openRaw(stand.gateway.dataUrl);
  leaving.write(`${HEAD}content-length: 50000\r\n\r\n${body.slice(0, 1000)}`);
  await until('it is held', () => stand.gateway.bodyBytes === 50_000);
  leaving.socket.destroy();
  await until('everything is given back', () => stand.gateway.bodyBytes === 0 && stand.gateway.running === 0);
  assert.equal((await stand.scrape()).get('headgate_inflight_body_bytes'), 0);
});

test('R43: a body that does not arrive in time is refused, and given back', async () => {
  const clock = new VirtualClock();
  await using stand = await startStand({ clock, listen: 'bodyTimeout: 5s' });
  const connection = openRaw(stand.gateway.dataUrl);
  connection.write(`${HEAD}content-length: 1000\r\n\r\n{`);
  await until('it is held', () => stand.gateway.bodyBytes === 1000);
  clock.advance(4999);
  await turns();
  assert.equal(connection.text, '');
  clock.advance(1);
  await until('the refusal is there', () => connection.text.endsWith('}}}'));
  assert.equal(statusOf(connection.text), 408);
  assert.equal(JSON.parse(textOf(connection.text)).error.code, 'body_timeout');
  await until('it is given back', () => stand.gateway.bodyBytes === 0);
  connection.socket.destroy();
});

test('R43: a compressed body is refused by name: what it would grow to is nowhere stated', async () => {
  await using stand = await startStand();
  const received = await stand.ask({ headers: { 'content-encoding': 'gzip' } });
  assert.equal(received.status, 415);
  assert.equal(errorOf(received).code, 'body_encoding');
});
