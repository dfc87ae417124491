/** R1: a limit is reserved before a call starts, so at most floor(limit / worst case) reach the provider, whoever calls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callOf, countOf, flood, startHeld } from '../fakes/flood.ts';
import { hashOf, type PlainConfig } from '../fakes/gateway.ts';
import { type Ask, errorOf } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';

const CALLS = 40;
/** A worst case of 4,000 tokens, 500 of them input: 0.5 and 7 thousandths of a dollar at 1 and 2 dollars per million. */
const TOKENS = 4000;
const INPUT = 500;
const BODY = callOf(TOKENS, INPUT);

const DIMENSIONS = [
  { limit: 'cost: 0.05 USD/month', admitted: 6, code: 'budget_exceeded' },
  { limit: 'tokens: 30k/month', admitted: 7, code: 'quota_exceeded' },
  { limit: 'outputTokens: 30k/hour', admitted: 8, code: 'rate_limit_exceeded' },
  { limit: 'requests: 9/minute', admitted: 9, code: 'rate_limit_exceeded' },
  { limit: 'concurrency: 5', admitted: 5, code: 'concurrency_exceeded' },
] as const;

const keyOf = (name: string, more: string) => `${name}: { hash: "${hashOf(`sk-${name}`)}"${more} }`;

/** Two teams with a user each; `web`, the test key, and `app` are of the first ones; `bolt` is another customer on the same tier. */
const HOUSE: Omit<PlainConfig, 'providers'> = {
  key: 'team: search, user: ann',
  organization: 'teams: { search: {}, ads: {} }, users: { ann: {}, bob: {} }',
  keys: [keyOf('app', ', team: search, user: ann'), keyOf('ads', ', team: ads, user: bob')],
  models: ['n: { targets: [ { provider: p1, model: n, price: { input: 1, output: 2 } } ] }'],
  tiers: ['free: {}'],
  organizations: [
    `bolt: { tier: pro, keys: { ${keyOf('bolt', '')} } }`,
    `none: { tier: free, keys: { ${keyOf('none', '')} } }`,
  ],
};

interface Level {
  readonly per: string;
  /** Where it is written. */
  readonly at: 'limits' | 'model';
  /** Calls that count together, by turns. */
  readonly together: readonly Ask[];
  /** A call that does not count with them. */
  readonly apart: Ask;
}

const own: Ask = { body: BODY };
const from = (name: string): Ask => ({ key: `sk-${name}`, body: BODY });
const forCustomer = (user: string): Ask => ({ body: callOf(TOKENS, INPUT, { user }) });

const LEVELS: readonly Level[] = [
  { per: 'key', at: 'limits', together: [own], apart: from('app') },
  { per: 'organization', at: 'limits', together: [own, from('app'), from('ads')], apart: from('bolt') },
  { per: 'team', at: 'limits', together: [own, from('app')], apart: from('ads') },
  { per: 'user', at: 'limits', together: [own, from('app')], apart: from('ads') },
  { per: 'endUser', at: 'limits', together: [forCustomer('jo')], apart: forCustomer('kim') },
  { per: 'tier', at: 'limits', together: [own, from('bolt')], apart: from('none') },
  { per: 'model', at: 'model', together: [own, from('bolt')], apart: { body: callOf(TOKENS, INPUT, { model: 'n' }) } },
];

for (const { per, at, together, apart } of LEVELS) {
  for (const { limit, admitted, code } of DIMENSIONS) {
    test(`R1: of ${CALLS} concurrent calls under { ${limit}, per: ${per} } ${admitted} reach the provider, and the rest are told ${code}`, async () => {
      const rules = `[ { ${limit}, per: ${per} } ]`;
      const held = await startHeld({
        ...HOUSE,
        ...(at === 'model' ? { model: `limits: ${rules}` } : { limits: rules }),
      });
      await using stand = held.stand;
      const received = await flood(held, CALLS, admitted, together);
      assert.equal(countOf(received, 200), admitted);
      assert.equal(stand.seen, admitted);
      for (const refused of received.filter(({ status }) => status !== 200)) {
        assert.equal(refused.status, 429);
        const { headgate } = errorOf(refused);
        assert.deepEqual([headgate['code'], headgate['per']], [code, per]);
        assert.equal(refused.headers['x-headgate-attempts'], undefined);
      }
      const other = stand.ask(apart);
      await until('who is counted apart gets through', () => stand.seen === admitted + 1);
      held.release();
      assert.equal((await other).status, 200);
    });
  }
}

for (const { budget, admitted, why } of [
  { budget: '1 USD/month', admitted: 133, why: 'a dollar pays for 133 times 7,500 millionths' },
  { budget: '0.0075 USD/month', admitted: 1, why: 'the worst case fits to the last nano-dollar' },
  { budget: '0.007499999 USD/month', admitted: 1, why: 'the input is only estimated' },
  { budget: '0.007249999 USD/month', admitted: 0, why: 'the stated cap and half of the estimate are more' },
]) {
  test(`R1: of 500 concurrent calls against ${budget} exactly ${admitted} reach the provider: ${why}`, async () => {
    const held = await startHeld({ limits: `[ { cost: ${budget}, per: organization } ]` });
    await using stand = held.stand;
    const received = await flood(held, 500, admitted, [{ body: BODY }]);
    assert.equal(countOf(received, 200), admitted);
    // What could never be paid for is told so.
    assert.equal(countOf(received, admitted === 0 ? 400 : 429), 500 - admitted);
    assert.equal(stand.seen, admitted);
  });
}

test('R1: what a budget admits one after the other is bound by what the calls really cost, to the last one that fits', async () => {
  const held = await startHeld({ limits: '[ { cost: 0.02 USD/month, per: organization } ]' });
  await using stand = held.stand;
  let calls = 0;
  for (let refused = false; !refused; ) {
    const sent = stand.ask({ body: BODY });
    void sent.then(({ status }) => {
      refused = status !== 200;
    });
    await until('it is decided', () => refused || stand.seen > calls);
    if (!refused) calls++;
    held.release();
    await sent;
    await until('it is settled', () => stand.gateway.running === 0);
  }
  const records = await stand.gateway.ledger.recent(100);
  const spent = records.reduce((sum, { cost }) => sum + cost!, 0);
  assert.ok(calls > 2, 'more than the worst case admits at once');
  assert.ok(spent <= 20_000_000 && spent + 7_500_000 > 20_000_000, `${spent}`);
});
