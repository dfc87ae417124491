import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndUsers, EVERYBODY_ELSE, NAMES_MAX } from '../../src/policy/end-users.ts';
import { send } from '../fakes/http-client.ts';
import { limitOf, startExplainScene } from './scene.ts';

const WEB = 'key=acme.web&model=chat-large';

interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly didYouMean: string | null;
}

test('every limit that applies is listed in order, with where it is written, what it is and how it stands', async () => {
  await using scene = await startExplainScene({
    pro: '[ { requests: 3/minute }, { tokens: 1k/minute, burst: 2k, overrun: hard }, { cost: 5 USD/day, per: organization } ]',
  });
  await scene.chat();
  const explained = await scene.explainCall(WEB);
  assert.deepEqual(
    explained.limits.map(({ id, per, subject }) => [id, per, subject]),
    [
      ['pro.cost-per-day', 'organization', 'acme'],
      ['pro.requests-per-minute', 'key', 'acme.web'],
      ['pro.tokens-per-minute', 'key', 'acme.web'],
    ],
  );
  const { outlook, consequence, decisions, ...facts } = limitOf(explained, 'tokens-per-minute');
  assert.deepEqual(facts, {
    id: 'pro.tokens-per-minute',
    per: 'key',
    subject: 'acme.web',
    dimension: 'tokens',
    unit: 'tokens',
    amount: 1000,
    window: 'minute',
    algorithm: {
      kind: 'tokenBucket',
      words: 'refilled continuously, at most 2,000 at once (token bucket)',
      bound: 'at most 2,000 above the amount in any minute',
    },
    onExceed: 'reject',
    maxWaitMs: 0,
    onStoreError: 'localShare',
    overrun: 'hard',
    sharing: 'exact',
    unusual: ['overrun'],
    weights: null,
    source: 'headgate.yaml:15',
    words: '1,000 tokens per minute for each key: refilled continuously, at most 2,000 at once (token bucket)',
    state: {
      used: facts.state.used,
      reserved: 0,
      remaining: 2000 - facts.state.used,
      resetMs: facts.state.used * 60,
      resetsAt: new Date(scene.clock.now() + facts.state.used * 60).toISOString(),
    },
  });
  assert.ok(facts.state.used > 0);
  assert.deepEqual(explained.key, {
    id: 'acme.web',
    organization: 'acme',
    team: 'search',
    user: null,
    tier: 'pro',
    tierName: 'Pro',
    revoked: false,
    expiresAt: null,
  });
  assert.deepEqual(explained.request, { inputTokens: 1000, outputTokens: 500, costUsd: '0.006000000' });
});

test('the first limit to stop such requests is the one that does, after as many as were said', async () => {
  await using scene = await startExplainScene({
    pro: '[ { requests: 3/minute }, { concurrency: 9 }, { cost: 1 USD/day } ]',
  });
  const { verdict } = await scene.explainCall(WEB);
  assert.equal(verdict.limit, 'pro.requests-per-minute');
  assert.equal(verdict.passing, 3);
  assert.equal(
    verdict.words,
    '3 such requests pass now; pro.requests-per-minute is the first to stop them: the next one is refused with 429 rate_limit_exceeded',
  );
  for (let nth = 0; nth < verdict.passing!; nth++) assert.equal((await scene.chat()).status, 200);
  assert.equal((await scene.chat()).headers['retry-after-ms'], '60000');
  const over = (await scene.explainCall(WEB)).verdict;
  assert.equal(over.passesNow, false);
  assert.equal(
    over.words,
    'no such request passes now: pro.requests-per-minute stops it, and it is refused with 429 rate_limit_exceeded; one passes in 60 s',
  );
});

test('R27: the wait is that of a request of the size asked about: one passes exactly then and not 1 ms earlier', async () => {
  await using scene = await startExplainScene({ pro: '[ { tokens: 1k/minute, burst: 2k } ]' });
  const ask = async () => (await scene.explainCall(`${WEB}&inputTokens=1500&outputTokens=500`)).verdict;
  assert.equal((await ask()).passing, 1);
  await scene.chat();
  const waiting = await ask();
  const { used } = limitOf(await scene.explainCall(WEB), 'tokens-per-minute').state;
  assert.deepEqual([waiting.retry, waiting.retryAfterMs], ['later', used * 60]);
  assert.equal((await scene.explainCall(`${WEB}&inputTokens=1&outputTokens=1`)).verdict.passesNow, true);
  scene.clock.advance(used * 60 - 1);
  assert.equal((await ask()).retryAfterMs, 1);
  scene.clock.advance(1);
  assert.equal((await ask()).passesNow, true);
});

test('a request larger than a limit can ever admit is said to be refused with 400, and never to pass', async () => {
  await using scene = await startExplainScene({
    pro: '[ { tokens: 1k/minute, onExceed: queue }, { requests: 9/minute } ]',
  });
  const { verdict } = await scene.explainCall(`${WEB}&inputTokens=1001&outputTokens=0`);
  assert.equal(verdict.limit, 'pro.tokens-per-minute');
  assert.deepEqual([verdict.retry, verdict.retryAfterMs], ['never', null]);
  assert.deepEqual([verdict.consequence?.status, verdict.consequence?.code], [400, 'request_exceeds_limit']);
});

test('what happens over each limit is told: refused, held back, sent to another model, or only reported', async () => {
  await using scene = await startExplainScene({
    pro: `[ { requests: 1/hour, onExceed: degrade, models: [chat-large] }, { requests: 5/minute, onExceed: queue, maxWait: 3s },
            { cost: 1 USD/month }, { tokens: 100/day, onExceed: report, name: watch }, { concurrency: 1 } ]`,
  });
  const explained = await scene.explainCall(WEB);
  assert.deepEqual(
    explained.limits.map(({ id, consequence }) => [id, consequence.words]),
    [
      ['pro.requests-per-hour', 'sent to chat-small, whose own limits then decide'],
      ['pro.requests-per-minute', 'held back for up to 3000 ms, then refused with 429 rate_limit_exceeded'],
      ['pro.cost-per-month', 'refused with 429 budget_exceeded'],
      ['pro.watch', 'let through, counted and reported'],
      ['pro.concurrency', 'refused with 429 concurrency_exceeded'],
    ],
  );
  assert.equal(limitOf(explained, 'watch').outlook.passing, 0, 'what a limit that reports would stop');
  assert.notEqual(explained.verdict.limit, 'pro.watch', 'and does not');
  assert.equal(explained.verdict.consequence?.model, 'chat-small');
});

test('a limit that only reports says how many it would have refused, here and in the metric', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 1/minute, onExceed: report, name: watch } ]' });
  for (let nth = 0; nth < 3; nth++) await scene.chat();
  await scene.chat({}, 'acme.night');
  assert.equal(limitOf(await scene.explainCall(WEB), 'watch').decisions.wouldRefuse, 2);
  const series = 'headgate_limit_decisions_total{limit="pro.watch",decision="would_refuse"}';
  assert.equal((await scene.scrape()).get(series), 2);
});

test('a leaky bucket lets a request pass and says how long it is held back', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 60/minute, algorithm: leakyBucket, burst: 5 } ]' });
  assert.equal((await scene.explainCall(WEB)).verdict.startsInMs, 0);
  await scene.chat();
  const { verdict } = await scene.explainCall(WEB);
  assert.equal(verdict.startsInMs, 1000);
  assert.match(verdict.words, /^4 such requests pass, held back for 1000 ms, now;/);
});

test('the limits of the targets stand apart, with what everybody used of them', async () => {
  await using scene = await startExplainScene({ target: '[ { requests: 7/minute } ]' });
  await scene.chat({}, 'acme.night');
  const { limits, targets, verdict } = await scene.explainCall(WEB);
  assert.deepEqual(limits, []);
  assert.deepEqual(verdict.words, 'no limit stops such requests');
  assert.deepEqual(
    targets.map(({ id, limits: [limit] }) => [
      id,
      limit?.id,
      limit?.state.used,
      limit?.consequence.does,
      limit?.consequence.code,
    ]),
    [['p1/large', 'target:p1/large.requests-per-minute', 1, 'nextTarget', 'targets_at_limit']],
  );
});

test('where every target is at its limit no request passes, whatever the limits of the caller say', async () => {
  await using scene = await startExplainScene({
    pro: '[ { requests: 9/minute } ]',
    target: '[ { requests: 1/minute } ]',
  });
  assert.equal((await scene.explainCall(WEB)).verdict.limit, 'pro.requests-per-minute');
  await scene.chat();
  const { verdict } = await scene.explainCall(WEB);
  const { passesNow, limit, retryAfterMs, consequence } = verdict;
  assert.deepEqual([passesNow, limit, retryAfterMs], [false, 'target:p1/large.requests-per-minute', 60_000]);
  assert.deepEqual([consequence?.does, consequence?.status, consequence?.code], ['refuse', 503, 'targets_at_limit']);
  assert.equal((await scene.chat()).status, 503, 'and so it is');
});

test('a key that is revoked, and a model without a price under a limit on cost, are refused whatever the limits say', async () => {
  await using scene = await startExplainScene({ pro: '[ { cost: 1 USD/day } ]' });
  const revoked = await scene.explainCall('key=acme.old&model=chat-large');
  assert.deepEqual(
    [revoked.refused?.status, revoked.refused?.code, revoked.verdict.passesNow],
    [401, 'invalid_api_key', false],
  );
  const unpriced = await scene.explainCall('key=acme.web&model=chat-free');
  assert.deepEqual([unpriced.refused?.status, unpriced.refused?.code], [403, 'model_price_unknown']);
  assert.equal(unpriced.request.costUsd, null);
  assert.equal((await scene.chat({ model: 'chat-free' })).status, 403, 'and so they are');
});

test('a key without any limit is explained, with the tiers above its own', async () => {
  await using scene = await startExplainScene();
  const { limits, verdict, upgrades } = await scene.explainCall('key=hobby.demo&model=chat-small');
  assert.deepEqual(limits, []);
  assert.deepEqual([verdict.passesNow, verdict.limit, verdict.passing], [true, null, null]);
  assert.deepEqual(upgrades, [
    { tier: 'pro', name: 'Pro', url: 'https://example.com/plans' },
    { tier: 'enterprise', name: 'Enterprise', url: null },
  ]);
});

test('an end user has the limits of end users, under the name that counts', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 2/minute, per: endUser } ]' });
  assert.deepEqual((await scene.explainCall(WEB)).limits, [], 'nobody is named');
  await scene.chat({ user: 'ada' });
  const ada = await scene.explainCall(`${WEB}&endUser=ada`);
  assert.deepEqual([ada.endUser, ada.limits[0]?.subject, ada.limits[0]?.state.used], ['ada', 'acme.endUsers.ada', 1]);
  await scene.chat({ user: 'Zoë: 山.田\u202e' });
  const odd = await scene.explainCall(`${WEB}&endUser=${encodeURIComponent('Zoë: 山.田\u202e')}`);
  assert.match(odd.endUser ?? '', /^#[0-9a-f]{32}$/);
  assert.equal(odd.limits[0]?.state.used, 1);
});

test('who asks about an end user takes none of the places there are for names', () => {
  const endUsers = new EndUsers((text) => text);
  for (let nth = 0; nth < NAMES_MAX - 1; nth++) endUsers.name('acme', `user-${nth}`, 0);
  for (let nth = 0; nth < 9; nth++) assert.equal(endUsers.wouldBe('acme', `asked-${nth}`, 0), `asked-${nth}`);
  assert.equal(endUsers.name('acme', 'the-last', 0), 'the-last');
  assert.equal(endUsers.wouldBe('acme', 'one-more', 0), EVERYBODY_ELSE);
  assert.equal(endUsers.wouldBe('acme', 'one-more', 3_600_000), 'one-more', 'an hour later there is room');
});

test('explaining takes nothing of any limit', async () => {
  await using scene = await startExplainScene({
    pro: '[ { requests: 1/minute }, { concurrency: 1 }, { tokens: 10k/day } ]',
  });
  const first = await scene.explainCall(WEB);
  for (let nth = 0; nth < 5; nth++) assert.deepEqual(await scene.explainCall(WEB), first);
  assert.equal(await scene.gateway.limits.held(), 0);
  assert.equal((await scene.chat()).status, 200);
});

const WRONG = [
  ['?key=acme.wbe&model=chat-large', 404, 'unknown_key', 'acme.web'],
  ['?key=%F0%9F%92%A5%00%1b[31m&model=chat-large', 404, 'unknown_key', null],
  ['?key=acme.web&model=chat-lrge', 404, 'unknown_model', 'chat-large'],
  ['?key=hobby.demo&model=chat-large', 400, 'model_not_allowed', null],
  ['?model=chat-large', 400, 'missing_parameter', null],
  ['?key=acme.web', 400, 'missing_parameter', null],
  ['?key=acme.web&mode=chat-large', 400, 'unknown_parameter', 'model'],
  ['?key=acme.web&key=acme.night&model=chat-large', 400, 'invalid_parameter', null],
  [`?key=${'a'.repeat(300)}&model=chat-large`, 400, 'invalid_parameter', null],
  [`?${WEB}&inputTokens=-1`, 400, 'invalid_parameter', null],
  [`?${WEB}&inputTokens=1e3`, 400, 'invalid_parameter', null],
  [`?${WEB}&outputTokens=10000001`, 400, 'invalid_parameter', null],
] as const;

test('what is wrong with a question is said as problem+json, with the nearest right name', async () => {
  await using scene = await startExplainScene();
  for (const [query, status, code, didYouMean] of WRONG) {
    const answer = await scene.get(query);
    assert.equal(answer.headers['content-type'], 'application/problem+json', query);
    const problem = JSON.parse(answer.text) as Problem;
    assert.deepEqual(
      [answer.status, problem.status, problem.code, problem.didYouMean],
      [status, status, code, didYouMean],
    );
    assert.ok(problem.detail.length > 0);
  }
});

test('explanations are on the admin listener alone, and only to be read', async () => {
  await using scene = await startExplainScene();
  const { dataUrl, adminUrl } = scene.gateway;
  for (const path of [`/explain?${WEB}`, '/explain/requests/req_1', '/v1/explain']) {
    assert.equal((await send({ url: dataUrl, method: 'GET', path })).status, 404, path);
  }
  assert.equal((await send({ url: adminUrl, method: 'POST', path: `/explain?${WEB}` })).status, 405);
  for (const path of ['/explained', '/explain/', '/explain/requests', '/explain/keys']) {
    assert.equal((await send({ url: adminUrl, method: 'GET', path })).status, 404, path);
  }
});

test('no explanation holds the secret of a key or of a provider', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 1/minute } ]' });
  await scene.chat();
  const refused = await scene.chat();
  const texts = [
    (await scene.get(`?${WEB}`)).text,
    (await scene.get(`/requests/${refused.headers['x-request-id']}`)).text,
  ];
  for (const text of texts) assert.doesNotMatch(text, /sk-test|sk-provider|sha256|[0-9a-f]{64}/);
});
