/** R11: a price that nobody knows is not a price of zero. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from '../../src/cli/check.ts';
import { hashOf, type PlainConfig, TEST_KEY } from '../fakes/gateway.ts';
import { errorOf, startStand } from '../fakes/stand.ts';

const BUDGET = '[ { cost: 5 USD/month } ]';
/** In no price list. */
const UNPRICED: Omit<PlainConfig, 'providers'> = { price: null, providerModel: 'house-model-nobody-sells' };

test('R11: a key with a limit on cost may not call a model whose price is unknown, and is told why', async () => {
  await using stand = await startStand({ ...UNPRICED, limits: BUDGET });
  const received = await stand.ask();
  assert.equal(received.status, 403);
  const error = errorOf(received);
  assert.equal(error.code, 'model_price_unknown');
  assert.match(error.message, /price of 'm' is unknown .* set a price, or 'unpriced: allow'/);
  assert.equal(received.headers['x-should-retry'], 'false');
  assert.equal(stand.seen, 0);
  const [record] = await stand.gateway.ledger.recent(1);
  assert.equal(record!.outcome, 'rejected_route');
});

test('R11: without a limit on cost the call runs, its cost is null and never zero, and a metric counts it', async () => {
  await using stand = await startStand(UNPRICED);
  const received = await stand.ask();
  assert.equal(received.status, 200);
  assert.equal(received.headers['x-headgate-cost-usd'], undefined);
  const [record] = await stand.gateway.ledger.recent(1);
  assert.equal(record!.cost, null);
  assert.equal(record!.attempts[0]!.cost, null);
  assert.equal(record!.attempts[0]!.prices, null);
  assert.ok(record!.usage.outputTokens > 0);
  const series = '{model="m",target="p1/house-model-nobody-sells"}';
  const metrics = await stand.scrape();
  assert.equal(metrics.get(`headgate_unpriced_attempts_total${series}`), 1);
  assert.equal(metrics.get(`headgate_cost_usd_total${series}`), undefined);
});

test("R11: 'unpriced: allow' lets a key with a limit on cost call it, at a cost that stays null", async () => {
  await using stand = await startStand({ ...UNPRICED, limits: BUDGET, model: 'unpriced: allow' });
  assert.equal((await stand.ask()).status, 200);
  const [record] = await stand.gateway.ledger.recent(1);
  assert.equal(record!.cost, null);
});

test('R11: a target without a price is passed over for one that has one', async () => {
  await using stand = await startStand({
    providers: [{}, {}],
    yaml: ([first, second]) => `
providers:
  p1: { protocol: openai, baseUrl: "${first}/v1", apiKey: a }
  p2: { protocol: openai, baseUrl: "${second}/v1", apiKey: b }
models:
  m: { targets: [ { provider: p1, model: nobody-sells }, { provider: p2, model: x, price: { input: 1, output: 2 } } ] }
tiers: { pro: { limits: ${BUDGET} } }
organizations: { acme: { tier: pro, keys: { web: { hash: "${hashOf(TEST_KEY)}" } } } }
`,
  });
  const received = await stand.ask();
  assert.equal(received.headers['x-headgate-target'], 'p2/x');
  assert.equal(stand.providers[0]!.accepted, 0);
});

test('R11: a price of zero that is written down is zero: it is counted, and binds no budget', async () => {
  await using stand = await startStand({ price: '{ input: 0, output: 0 }', limits: BUDGET });
  const received = await stand.ask();
  assert.equal(received.status, 200);
  assert.equal(received.headers['x-headgate-cost-usd'], '0.000000000');
  const [record] = await stand.gateway.ledger.recent(1);
  assert.equal(record!.cost, 0);
  assert.equal(record!.attempts[0]!.prices!.source, 'config');
  assert.equal((await stand.scrape()).get('headgate_unpriced_attempts_total'), undefined);
});

test('R11: only the exact id of a model finds its price', async () => {
  await using stand = await startStand({ price: null, providerModel: 'gpt-4o-of-our-own', limits: BUDGET });
  assert.equal((await stand.ask()).status, 403);
});

test("R11: 'headgate check' and the log at start warn of a model without a price", async () => {
  await using stand = await startStand({ ...UNPRICED, limits: BUDGET });
  let report = '';
  const code = check(stand.gateway.configFile, {
    env: {},
    write: (text) => {
      report += text;
    },
  });
  assert.equal(code, 0);
  assert.match(report, /^warning .*the price of house-model-nobody-sells is unknown/m);
  assert.match(
    report,
    /^warning .*acme\.web has a limit on cost and the price of .* is unknown, so those calls are refused/m,
  );
  assert.match(stand.gateway.log(), /the price of house-model-nobody-sells is unknown/);
});
