/** R20: what a provider is sent is built from a list of allowed headers, with its own credential and no other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDPOINTS } from '../../src/endpoints.ts';
import { hashOf, TEST_KEY } from '../fakes/gateway.ts';
import { send } from '../fakes/http-client.ts';
import { sampleCall } from '../fakes/sample-calls.ts';
import { startStand } from '../fakes/stand.ts';

/** What a caller's request may bring to a provider. */
const FORWARDED = ['accept', 'user-agent', 'openai-beta', 'idempotency-key', 'traceparent', 'tracestate'];
/** What Headgate and HTTP itself send. */
const OWN = ['host', 'connection', 'content-type', 'content-length', 'accept-encoding', 'authorization'];

// biome-ignore format: a list of names
const SENT = [
  ...FORWARDED,
  // Credentials, in every spelling that providers and proxies know.
  'proxy-authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'xi-api-key', 'x-auth-token', 'x-access-token',
  'x-amz-security-token', 'x-amz-date', 'x-goog-iam-authorization-token', 'x-ms-token-aad-access-token', 'x-forwarded-authorization',
  'x-original-authorization', 'x-forwarded-access-token', 'anthropic-api-key', 'openai-organization', 'openai-project', 'x-csrf-token',
  'cookie', 'set-cookie', 'cookie2', 'x-session-id',
  // Who and where the caller is.
  'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-user', 'x-forwarded-email', 'forwarded', 'x-real-ip', 'via',
  'x-client-ip', 'true-client-ip', 'cf-connecting-ip', 'x-user-id', 'x-user-email', 'x-remote-user', 'from', 'referer', 'origin',
  'x-envoy-external-address', 'x-request-id', 'baggage', 'sentry-trace', 'x-amzn-trace-id', 'x-stainless-os', 'x-stainless-runtime',
  // Hop by hop, and what would change how the provider reads the request.
  'keep-alive', 'te', 'proxy-connection', 'x-http-method-override', 'content-encoding-x', 'x-original-url', 'x-rewrite-url',
  'range', 'if-none-match', 'accept-language', 'dnt', 'priority', 'x-headgate-target', 'x-headgate-tier',
];

const MARK = 'caller-sent-this';

test('R20: providers see the allowed headers and exactly one credential, their own, also after a fallback', async () => {
  assert.ok(SENT.length >= 60);
  await using stand = await startStand({
    providers: [{ script: () => ({ faults: [{ kind: 'status', status: 500 }] }) }, {}],
  });
  const headers = ['authorization', `Bearer ${TEST_KEY}`, 'content-type', 'application/json; charset=x-caller'];
  for (const name of SENT) headers.push(name, `${MARK} ${name}`);
  const forwarded = ENDPOINTS.filter(({ admits }) => admits === 'limits');
  for (const endpoint of forwarded) {
    const received = await send({ url: stand.gateway.dataUrl, ...sampleCall(endpoint), headers });
    assert.equal(received.status, 200, received.text);
    assert.equal(received.headers['x-headgate-attempts'], '2');
  }
  for (const [index, provider] of stand.providers.entries()) {
    assert.equal(provider.requests.length, forwarded.length);
    for (const { headers: seen, rawHeaders, path } of provider.requests) {
      const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
      assert.deepEqual(names.toSorted(), [...OWN, ...FORWARDED].toSorted(), path);
      assert.equal(seen.authorization, `Bearer sk-provider-${index + 1}`);
      assert.equal(seen['content-type'], 'application/json');
      assert.equal(seen.host, new URL(provider.url).host);
      for (const name of FORWARDED) assert.equal(seen[name], `${MARK} ${name}`);
      assert.equal(rawHeaders.filter((value) => value.startsWith(MARK)).length, FORWARDED.length);
      assert.ok(!rawHeaders.join('\n').includes(TEST_KEY));
    }
  }
});

test('R20: a provider without a key is sent no credential at all', async () => {
  await using stand = await startStand({
    yaml: ([url]) => `
providers: { p1: { protocol: openai, baseUrl: "${url}/v1" } }
models: { m: { targets: [ { provider: p1, model: m } ] } }
tiers: { pro: {} }
organizations: { acme: { tier: pro, keys: { web: { hash: "${hashOf(TEST_KEY)}" } } } }
`,
  });
  await stand.ask();
  const [request] = stand.providers[0]!.requests;
  assert.equal(request!.headers.authorization, undefined);
  assert.ok(!request!.rawHeaders.join('\n').includes(TEST_KEY));
});

test("R20: a provider's own headers do not reach the caller beyond the list of those that may", async () => {
  const theirs = [
    'set-cookie',
    'a=b',
    'server',
    'x',
    'x-ratelimit-remaining-requests',
    '7',
    'x-internal-host',
    'y',
    'openai-version',
    '1',
  ];
  await using stand = await startStand({
    providers: [{ script: () => ({ faults: [{ kind: 'status', status: 400, headers: theirs }] }) }],
  });
  const { headers } = await stand.ask();
  assert.equal(headers['openai-version'], '1');
  for (const name of ['set-cookie', 'server', 'x-ratelimit-remaining-requests', 'x-internal-host']) {
    assert.equal(headers[name], undefined, name);
  }
});
