/** R7: every row of the endpoint table goes through identity, models and limits before a provider hears of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDPOINTS, type Endpoint } from '../../src/endpoints.ts';
import { hashOf, TEST_KEY } from '../fakes/gateway.ts';
import { sampleCall } from '../fakes/sample-calls.ts';
import { type Ask, errorOf, type Stand, startStand } from '../fakes/stand.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const nameOf = ({ method, path }: Endpoint) => `${method} ${path}`;
const FORWARDED = ENDPOINTS.filter(({ admits }) => admits === 'limits');
const ANSWERED_HERE = ENDPOINTS.filter(({ admits }) => admits === 'nothing');

/** Two models, of which the key may call one; the limits of its tier are `limits`. */
const config = (limits: string) => (urls: readonly string[]) =>
  `
providers: { p1: { protocol: openai, baseUrl: "${urls[0]}/v1", apiKey: sk-p } }
models:
  m: { targets: [ { provider: p1, model: m, price: { input: 1000, output: 1000 } } ] }
  other: { targets: [ { provider: p1, model: other, price: { input: 1, output: 1 } } ] }
tiers: { pro: { models: [m], limits: ${limits} }, max: {} }
organizations:
  acme: { tier: pro, keys: { web: { hash: "${hashOf(TEST_KEY)}" } } }
  rich: { tier: max, keys: { web: { hash: "${hashOf('sk-test-rich')}" } } }
`;

async function startLimited(limits: string): Promise<Stand> {
  return startStand({ yaml: config(limits), clock: new VirtualClock() });
}

async function refuses(stand: Stand, endpoint: Endpoint, ask: Ask, status: number, code: string): Promise<void> {
  const seen = stand.seen;
  const received = await stand.ask({ ...sampleCall(endpoint), ...ask });
  assert.equal(received.status, status, received.text);
  assert.equal(errorOf(received).headgate['code'], code);
  assert.equal(stand.seen, seen, 'the provider saw it');
}

test('R7: without a valid key no endpoint answers, and the provider sees nothing', async () => {
  await using stand = await startLimited('[]');
  for (const endpoint of ENDPOINTS) {
    await refuses(stand, endpoint, { key: null }, 401, 'invalid_api_key');
    await refuses(stand, endpoint, { key: 'sk-unknown' }, 401, 'invalid_api_key');
  }
  assert.equal(stand.providers[0]!.accepted, 0);
});

test('R7: a model that the key may not call, or that does not exist, is refused on every endpoint that names one', async () => {
  await using stand = await startLimited('[]');
  for (const endpoint of ENDPOINTS.filter(({ operation }) => operation !== 'models')) {
    await refuses(stand, endpoint, sampleCall(endpoint, 'other'), 403, 'model_not_allowed');
    await refuses(stand, endpoint, sampleCall(endpoint, 'nobody'), 404, 'model_not_found');
  }
  assert.equal(stand.providers[0]!.accepted, 0);
});

const EXHAUSTED = [
  { what: 'requests a minute', limits: '[ { requests: 3/minute } ]', code: 'rate_limit_exceeded' },
  { what: 'tokens a minute', limits: '[ { tokens: 60/minute } ]', code: 'rate_limit_exceeded' },
  { what: 'a quota of tokens', limits: '[ { tokens: 60/month } ]', code: 'quota_exceeded' },
  { what: 'a quota of cost', limits: '[ { cost: 0.06 USD/month } ]', code: 'budget_exceeded' },
  { what: 'a quota of requests', limits: '[ { requests: 3/day } ]', code: 'quota_exceeded' },
];

for (const { what, limits, code } of EXHAUSTED) {
  test(`R7: with ${what} used up every endpoint that reaches a provider refuses`, async () => {
    for (const endpoint of FORWARDED) {
      await using stand = await startLimited(limits);
      await useUp(stand, endpoint);
      await refuses(stand, endpoint, {}, 429, code);
    }
  });
}

/** Calls until a limit says no. */
async function useUp(stand: Stand, endpoint: Endpoint): Promise<void> {
  let status: number | null = 200;
  for (let calls = 0; status === 200; calls++) {
    assert.ok(calls < 100, 'nothing limits it');
    ({ status } = await stand.ask(sampleCall(endpoint)));
  }
}

test('R7: an endpoint that takes nothing from the limits never reaches a provider', async () => {
  await using stand = await startLimited('[ { requests: 1/minute } ]');
  for (const endpoint of ANSWERED_HERE) {
    const { status } = await stand.ask(sampleCall(endpoint));
    assert.equal(status, 200, nameOf(endpoint));
  }
  assert.equal(stand.providers[0]!.accepted, 0);
});

test('R7: in the table, what is metered is admitted by the limits, and what is not takes no body', () => {
  for (const endpoint of ENDPOINTS) {
    const kinds = [endpoint.admits === 'limits', endpoint.meters !== 'nothing', endpoint.body !== 'none'];
    assert.equal(new Set(kinds).size, 1, nameOf(endpoint));
  }
});

test('R7: what is not in the table is no endpoint, whatever the key', async () => {
  await using stand = await startLimited('[]');
  for (const path of ['/v1/audio/speech', '/v1/responses', '/v1/chat/completions/', '/v1/files', '/', '/v1']) {
    const received = await stand.ask({ path });
    assert.equal(received.status, 404, path);
    assert.equal(errorOf(received).code, 'not_found');
  }
  assert.equal(stand.providers[0]!.accepted, 0);
});
