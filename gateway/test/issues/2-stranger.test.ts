/** What a stranger found who used and attacked the first version. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { startProvider } from '../../src/provider/server.ts';
import { plainConfig, startTestGateway, TEST_KEY } from '../fakes/gateway.ts';
import { sendRaw } from '../fakes/raw-http.ts';

const CALL = { model: 'm', max_tokens: 5, messages: [{ role: 'user', content: 'hello' }] };

function post(url: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  const all = { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json', ...headers };
  return fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: all, body });
}

test('a body nested deeper than the stack is answered by the simulated provider, which goes on', async () => {
  const provider = await startProvider({ clock: systemClock });
  await using gateway = await startTestGateway({ yaml: plainConfig({ providers: [provider.url] }) });
  const nested = `{"model":"m","max_tokens":5,"messages":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  assert.equal((await post(gateway.dataUrl, nested)).status, 200);
  assert.equal((await post(gateway.dataUrl, JSON.stringify(CALL))).status, 200);
  await provider.close();
});

test('a transfer coding that is not decoded is refused, not taken for chunked', async () => {
  await using gateway = await startTestGateway({ yaml: plainConfig({ providers: ['http://127.0.0.1:9'] }) });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TEST_KEY}\r\n`;
  const answer = await sendRaw(gateway.dataUrl, `${head}transfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 415 /);
  assert.match(answer, /"code":"body_encoding"/);
});

test('what is not an HTTP request is answered with an error that says so', async () => {
  await using gateway = await startTestGateway({ yaml: plainConfig({ providers: ['http://127.0.0.1:9'] }) });
  const answer = await sendRaw(
    gateway.dataUrl,
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
  );
  assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.equal(JSON.parse(answer.slice(answer.indexOf('{'))).error.code, 'malformed_request');
});

test('the limit that headers state for a token bucket is its burst, so that no more remains than the limit', async () => {
  const provider = await startProvider({ clock: systemClock });
  const limits = '[ { tokens: 200k/minute, burst: 400k } ]';
  await using gateway = await startTestGateway({ yaml: plainConfig({ providers: [provider.url], limits }) });
  const { headers } = await post(gateway.dataUrl, JSON.stringify(CALL));
  assert.equal(headers.get('x-ratelimit-limit-tokens'), '400000');
  assert.ok(Number(headers.get('x-ratelimit-remaining-tokens')) <= 400_000);
  await provider.close();
});

test('large amounts in refusals are written as people read them', async () => {
  const limits = '[ { tokens: 20k/minute } ]';
  await using gateway = await startTestGateway({ yaml: plainConfig({ providers: ['http://127.0.0.1:9'], limits }) });
  const answer = await post(gateway.dataUrl, JSON.stringify({ ...CALL, max_tokens: 1_000_000 }));
  assert.equal(answer.status, 400);
  assert.match(
    ((await answer.json()) as { error: { message: string } }).error.message,
    /up to 1,000,0\d\d tokens, .* limit of 20,000 tokens per minute/,
  );
});
