/** R54: a refusal names the limit, whose it is, its window, what is used and reserved, and the way out; each kind in words of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashOf, type PlainConfig } from '../fakes/gateway.ts';
import type { Received } from '../fakes/http-client.ts';
import { type Ask, CHAT, errorOf, type Stand, startStand } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const NOON = Date.UTC(2026, 10, 21, 12, 0, 0);

const HOUSE: Omit<PlainConfig, 'providers'> = {
  key: 'team: search, user: ann',
  organization: 'teams: { search: {} }, users: { ann: {} }',
};

/** Calls until one is refused. */
async function refusedBy(stand: Stand, ask: Ask): Promise<Received> {
  for (let calls = 0; calls < 20; calls++) {
    const received = await stand.ask(ask);
    await until('it is settled', () => stand.gateway.running === 0);
    if (received.status !== 200) return received;
  }
  throw new Error('nothing was refused');
}

/** Uses some of a limit up and answers the refusal of the next call. */
async function refusal(limits: string, more: Omit<PlainConfig, 'providers'> = {}, ask: Ask = {}) {
  await using stand = await startStand({ clock: new VirtualClock(NOON), ...HOUSE, limits, ...more });
  const received = await refusedBy(stand, ask);
  return { received, ...errorOf(received) };
}

const WAYS_OUT = 'or upgrade to Enterprise.';

for (const { limits, model, message, code, retry } of [
  {
    limits: '{ requests: 1/10s }',
    message: `Pro tier limit exceeded: 1 request per 10 seconds for this key. Retry in 10 s, ${WAYS_OUT}`,
    code: 'rate_limit_exceeded',
    retry: 'true',
  },
  {
    limits: '{ requests: 2/minute, per: team }',
    message: `Pro tier limit exceeded: 2 requests per minute for team 'search'. Retry in 60 s, ${WAYS_OUT}`,
    code: 'rate_limit_exceeded',
    retry: 'true',
  },
  {
    limits: '{ requests: 1/hour, per: user }',
    message: `Pro tier limit exceeded: 1 request per hour for user 'ann'. Retry in 60 min, ${WAYS_OUT}`,
    code: 'rate_limit_exceeded',
    retry: 'true',
  },
  {
    limits: '{ outputTokens: 5/minute, per: organization }',
    message: `Pro tier limit exceeded: 5 output tokens per minute for organization 'acme'. Retry in 60 s, ${WAYS_OUT}`,
    code: 'rate_limit_exceeded',
    retry: 'true',
  },
  {
    limits: '{ requests: 1/minute, per: tier }',
    message: `Pro tier limit exceeded: 1 request per minute for everyone on the Pro tier. Retry in 60 s, ${WAYS_OUT}`,
    code: 'rate_limit_exceeded',
    retry: 'true',
  },
  {
    limits: '{ requests: 1/minute, per: endUser }',
    message: `Pro tier limit exceeded: 1 request per minute for this end user. Retry in 60 s, ${WAYS_OUT}`,
    code: 'rate_limit_exceeded',
    retry: 'true',
  },
  {
    limits: '',
    model: 'limits: [ { weightedTokens: 200/hour } ]',
    message: `Pro tier limit exceeded: 200 weighted tokens per hour for model 'm'. Retry in 60 min, ${WAYS_OUT}`,
    code: 'rate_limit_exceeded',
    retry: 'true',
  },
  {
    limits: '{ requests: 1/month, per: organization }',
    message: `Pro tier quota used up until 2026-12-01T00:00:00Z: 1 request per month for organization 'acme'. Retry in 10 days, ${WAYS_OUT}`,
    code: 'quota_exceeded',
    retry: 'false',
  },
  {
    limits: '{ cost: 0.00004 USD/day, per: team, timeZone: Europe/Paris }',
    message: `Pro tier budget used up until 2026-11-21T23:00:00Z: 0.00004 USD per day for team 'search'. Retry in 11 h, ${WAYS_OUT}`,
    code: 'budget_exceeded',
    retry: 'false',
  },
]) {
  test(`R54: ${limits || model} is refused in words of its own`, async () => {
    const { received, headgate, ...error } = await refusal(`[ ${limits} ]`, model === undefined ? {} : { model }, {
      body: { ...CHAT, user: 'jo', ...(model !== undefined && { max_tokens: 100 }) },
    });
    assert.equal(received.status, 429);
    assert.equal(error.message, message);
    assert.equal(headgate['code'], code);
    const quota = retry === 'false';
    assert.equal(error.code, quota ? 'insufficient_quota' : code);
    assert.equal(error.type, quota ? 'insufficient_quota' : 'rate_limit_error');
    assert.equal(received.headers['x-should-retry'], retry);
    assert.equal(headgate['resetsAt'], new Date(NOON + Number(headgate['retryAfterMs'])).toISOString());
    assert.equal(received.headers['retry-after'], String(Math.ceil(Number(headgate['retryAfterMs']) / 1000)));
  });
}

test('R54: what is settled and what others hold at the moment are told apart', async () => {
  const held = new VirtualClock();
  await using stand = await startStand({
    clock: new VirtualClock(NOON),
    limits: '[ { outputTokens: 10/minute } ]',
    providers: [{ clock: held, script: () => ({ faults: [{ kind: 'delay', ms: 1000 }] }) }],
  });
  const ask = (max_tokens: number) => stand.ask({ body: { ...CHAT, max_tokens } });
  const first = ask(4);
  await until('the first one is there', () => stand.seen === 1);
  held.advance(1000);
  await first;
  await until('it is settled', () => stand.gateway.running === 0);
  const second = ask(5);
  await until('the second one runs', () => stand.seen === 2);
  const { headgate } = errorOf(await ask(2));
  const { used, reserved, amount, requested, window, per, dimension, tier, limit } = headgate;
  assert.deepEqual(
    { used, reserved, amount, requested, window, per, dimension, tier, limit },
    {
      used: 4,
      reserved: 5,
      amount: 10,
      requested: 2,
      window: 'minute',
      per: 'key',
      dimension: 'outputTokens',
      tier: 'pro',
      limit: 'pro.output-tokens-per-minute',
    },
  );
  held.advance(1000);
  await second;
});

test('R54: no free place is told as such, without a window', async () => {
  const held = new VirtualClock();
  await using stand = await startStand({
    limits: '[ { concurrency: 2, per: organization } ]',
    providers: [{ clock: held, script: () => ({ faults: [{ kind: 'delay', ms: 1000 }] }) }],
  });
  const running = [stand.ask(), stand.ask()];
  await until('both run', () => stand.seen === 2);
  const { message, headgate } = errorOf(await stand.ask());
  assert.equal(
    message,
    `Pro tier limit exceeded: 2 requests at the same time for organization 'acme'. Retry in 1 s, ${WAYS_OUT}`,
  );
  assert.deepEqual([headgate['window'], headgate['used'], headgate['reserved']], ['', 0, 2]);
  held.advance(1000);
  await Promise.all(running);
});

test('R54: a tier without an upgrade offers none, and a key whose limit is its own is told so', async () => {
  const { message, headgate } = await refusal(
    '[]',
    {
      tiers: ['plain: { name: Plain }'],
      organizations: [
        `bolt: { tier: plain, keys: { bolt: { hash: "${hashOf('sk-bolt')}", limits: [ { requests: 1/minute } ] } } }`,
      ],
    },
    { key: 'sk-bolt' },
  );
  assert.equal(message, 'Plain tier limit exceeded: 1 request per minute for this key. Retry in 60 s.');
  assert.deepEqual([headgate['upgradeTo'], headgate['upgradeUrl']], [null, null]);
  assert.equal(headgate['limit'], 'bolt.bolt.requests-per-minute');
});

test('R54: of several limits that are over, the one that holds up longest is named, and its wait is true', async () => {
  const clock = new VirtualClock(NOON);
  await using stand = await startStand({
    clock,
    limits: '[ { requests: 1/10s }, { requests: 1/minute }, { requests: 1/20s } ]',
  });
  await stand.ask();
  clock.advance(5000);
  const refused = await stand.ask();
  assert.equal(errorOf(refused).headgate['limit'], 'pro.requests-per-minute');
  assert.equal(refused.headers['retry-after-ms'], '55000');
  clock.advance(54_999);
  assert.equal((await stand.ask()).status, 429);
  clock.advance(1);
  assert.equal((await stand.ask()).status, 200);
});
