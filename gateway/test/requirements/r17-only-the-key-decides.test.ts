/** R17: no spelling of a path, a host or a token opens a door, and each listener serves its own paths only. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ENDPOINTS } from '../../src/endpoints.ts';
import { TEST_KEY } from '../fakes/gateway.ts';
import { sendRaw, statusOf } from '../fakes/raw-http.ts';
import { sampleCall } from '../fakes/sample-calls.ts';
import { errorOf, type Stand, startStand } from '../fakes/stand.ts';

const ADMIN_PATHS = ['/metrics', '/config/status'];

let stand: Stand;
before(async () => {
  stand = await startStand();
});
after(() => stand[Symbol.asyncDispose]());

const AUTHORIZED = `authorization: Bearer ${TEST_KEY}\r\n`;

/** One request head as it stands on the wire, with a body that says so. */
function wire(line: string, { host = 'gateway', headers = '' } = {}): string {
  return `${line} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\ncontent-length: 2\r\n${headers}\r\n{}`;
}

/** What the operator's listener says and a caller must never read. */
function isAdminAnswer(answer: string): boolean {
  return answer.includes('headgate_requests_total') || answer.includes('loadedAt');
}

test('R17: the paths of operators are not served to callers, whatever the key and the Host', async () => {
  const adminHost = new URL(stand.gateway.adminUrl).host;
  for (const path of ADMIN_PATHS) {
    for (const host of ['gateway', adminHost, 'localhost', '127.0.0.1:8081', '']) {
      for (const headers of ['', AUTHORIZED]) {
        const answer = await sendRaw(stand.gateway.dataUrl, wire(`GET ${path}`, { host, headers }));
        assert.equal(statusOf(answer), 404, `${path} for ${host}`);
        assert.equal(isAdminAnswer(answer), false);
      }
    }
  }
});

test('R17: the endpoints of callers are not served to operators', async () => {
  for (const endpoint of ENDPOINTS) {
    const { method, path } = sampleCall(endpoint);
    const answer = await sendRaw(stand.gateway.adminUrl, wire(`${method} ${path}`, { headers: AUTHORIZED }));
    assert.ok([404, 405].includes(statusOf(answer)!), `${method} ${path}: ${answer}`);
  }
  assert.equal(stand.seen, 0);
});

test('R17: the admin listener answers GET and HEAD of the paths it has, and nothing else', async () => {
  for (const path of [
    ...ADMIN_PATHS,
    '/',
    '/metrics/',
    '//metrics',
    '/%6detrics',
    '/config',
    '/keys',
    '/openapi.json/..',
  ]) {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      assert.equal(statusOf(await sendRaw(stand.gateway.adminUrl, wire(`${method} ${path}`))), 405);
    }
    const expected = ADMIN_PATHS.includes(path) ? 200 : 404;
    assert.equal(statusOf(await sendRaw(stand.gateway.adminUrl, wire(`GET ${path}`))), expected, path);
  }
});

const SPELLINGS = [
  '//metrics',
  '/./metrics',
  '/v1/../metrics',
  '/v1/%2e%2e/metrics',
  '/%2e%2e/metrics',
  '/v1/..%2fmetrics',
  '/%6detrics',
  '/metrics#',
  '/metrics;v1/models',
  '/metrics%00',
  '/metrics%0d%0ax:y',
  '/v1/models#/../../metrics',
  '/v1\\models',
  '/v1//models',
  '//v1/models',
  '/V1/MODELS',
  '/v1/models%2f',
  '/v1/chat/completions%00',
  '/v1/chat/completions/..',
  '/v1/chat/%63ompletions',
  'http://gateway/v1/chat/completions',
  'http://gateway/metrics',
  'http://127.0.0.1:8081/metrics',
  'https://user:pass@gateway/v1/models',
  'gateway:443',
  '*',
  '/?/v1/chat/completions',
  '/v1/models/',
];

test('R17: no spelling of a path is served as another one, with or without a key', async () => {
  for (const spelling of SPELLINGS) {
    for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS', 'TRACE', 'DELETE', 'PROPFIND']) {
      for (const headers of ['', AUTHORIZED]) {
        const answer = await sendRaw(stand.gateway.dataUrl, wire(`${method} ${spelling}`, { headers }));
        assert.ok([400, 401, 404, 405].includes(statusOf(answer)!), `${method} ${spelling}: ${answer.slice(0, 200)}`);
        assert.equal(isAdminAnswer(answer), false);
      }
    }
  }
  assert.equal(stand.seen, 0);
});

test('R17: no method but its own reaches an endpoint, and CONNECT opens no tunnel', async () => {
  for (const endpoint of ENDPOINTS) {
    const { path } = sampleCall(endpoint);
    for (const method of ['OPTIONS', 'TRACE', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'BREW']) {
      const answer = await sendRaw(stand.gateway.dataUrl, wire(`${method} ${path}`, { headers: AUTHORIZED }));
      assert.equal(statusOf(answer), method === 'BREW' ? 400 : 405, `${method} ${path}`);
    }
  }
  for (const url of [stand.gateway.dataUrl, stand.gateway.adminUrl]) {
    const provider = new URL(stand.providers[0]!.url).host;
    assert.equal(await sendRaw(url, wire(`CONNECT ${provider}`, { headers: AUTHORIZED })), '');
  }
  assert.equal(stand.providers[0]!.accepted, 0);
});

test('R17: a query does not change where a request goes', async () => {
  const listed = await stand.ask({ method: 'GET', path: '/v1/models?path=/metrics&x=%2e%2e#y' });
  assert.equal(listed.status, 200);
  assert.equal(JSON.parse(listed.text).object, 'list');
});

const TOKENS: readonly (readonly [what: string, header: string])[] = [
  ['no header', ''],
  ['an empty one', 'authorization: \r\n'],
  ['no token', 'authorization: Bearer\r\n'],
  ['another scheme', `authorization: Basic ${TEST_KEY}\r\n`],
  ['no scheme', `authorization: ${TEST_KEY}\r\n`],
  ['a quote', "authorization: Bearer ' OR '1'='1\r\n"],
  ['SQL', "authorization: Bearer x';DROP/**/TABLE/**/requests;--\r\n"],
  ['double quotes', `authorization: Bearer "${TEST_KEY}"\r\n`],
  ['a comma', `authorization: Bearer ${TEST_KEY},x\r\n`],
  ['more behind it', `authorization: Bearer ${TEST_KEY} x\r\n`],
  ['a prefix of a key', `authorization: Bearer ${TEST_KEY.slice(0, -1)}\r\n`],
  ['a longer one', `authorization: Bearer ${TEST_KEY}x\r\n`],
  ['other case', `authorization: Bearer ${TEST_KEY.toUpperCase()}\r\n`],
  ['a name of Object', 'authorization: Bearer __proto__\r\n'],
  ['code', 'authorization: Bearer $(id)`id`{{7*7}}process.exit(1)\r\n'],
  ['Latin-1 bytes', 'authorization: Bearer \xe9\xff\xfe\r\n'],
  ['30 KB', `authorization: Bearer ${'x'.repeat(30_000)}\r\n`],
  ['the wrong one first', `authorization: Bearer wrong\r\n${AUTHORIZED}`],
  ['a header of another protocol', `x-api-key: ${TEST_KEY}\r\nx-goog-api-key: ${TEST_KEY}\r\n`],
  ['a cookie', `cookie: authorization=${TEST_KEY}\r\n`],
];

test('R17: whatever the token is, the answer to one that is not valid is the same 401', async () => {
  const bodies = new Set<string>();
  for (const [what, headers] of TOKENS) {
    const answer = await sendRaw(stand.gateway.dataUrl, wire('GET /v1/models', { headers }));
    assert.equal(statusOf(answer), 401, what);
    bodies.add(answer.slice(answer.indexOf('\r\n\r\n') + 4));
  }
  assert.equal(bodies.size, 1, [...bodies].join('\n'));
});

test('R17: a key in the query, or in the path, is no key', async () => {
  for (const path of [`/v1/models?key=${TEST_KEY}`, `/v1/models?authorization=Bearer%20${TEST_KEY}`]) {
    assert.equal((await stand.ask({ method: 'GET', path, key: null })).status, 401);
  }
});

test('R17: a token that no HTTP message may carry ends the connection, and the gateway goes on', async () => {
  const hostile = [
    ['1 MB', `authorization: Bearer ${'x'.repeat(1_000_000)}\r\n`, 431],
    ['NUL', 'authorization: Bearer sk-\0test\r\n', 400],
    ['a line end', 'authorization: Bearer sk-\rtest\r\n', 400],
    ['two lengths', 'content-length: 3\r\n', 400],
    ['two framings', 'transfer-encoding: chunked\r\n', 400],
  ] as const;
  for (const [what, headers, expected] of hostile) {
    const status = statusOf(await sendRaw(stand.gateway.dataUrl, wire('GET /v1/models', { headers })));
    // Bytes that nobody read reset the connection, which may overtake the answer.
    assert.ok(status === expected || (what === '1 MB' && status === null), `${what}: ${status}`);
  }
  assert.equal((await stand.ask()).status, 200);
});

test('R17: health is on both listeners and says no more than that', async () => {
  for (const url of [stand.gateway.dataUrl, stand.gateway.adminUrl]) {
    for (const path of ['/healthz', '/readyz']) {
      const answer = await sendRaw(url, wire(`GET ${path}`));
      assert.equal(statusOf(answer), 200);
      assert.ok(answer.endsWith('{"status":"ok"}'));
    }
  }
});

test('R17: an unknown model is quoted back in part, and as JSON', async () => {
  const hostile = `"}<script>${'x'.repeat(200_000)}`;
  const received = await stand.ask({ body: { model: hostile, messages: [] } });
  assert.equal(received.status, 404);
  assert.ok(received.bytes.length < 1000);
  assert.ok(errorOf(received).message.startsWith('There is no model \'"}<script>'));
});
