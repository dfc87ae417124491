/** R2b: an estimate that is too large never refuses by itself what fits; what is stated and certain has to fit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callOf } from '../fakes/flood.ts';
import type { PlainConfig } from '../fakes/gateway.ts';
import { errorOf, type Stand, startStand } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const BODY = { model: 'm', messages: [{ role: 'user', content: 'hello' }] };
/** Output tokens of an answer that no cap cuts short. */
const ANSWER = 100;

/** A gateway whose clock stands still. */
function start(limits: string, more: Omit<PlainConfig, 'providers'> = {}) {
  const clock = new VirtualClock();
  return startStand({ clock, limits, ...more, providers: [{ tokens: ANSWER }] }).then((stand) => ({ stand, clock }));
}

/** What the provider was sent last. */
const sent = ({ providers }: Stand) =>
  JSON.parse(providers[0]!.requests.at(-1)!.body.toString()) as Readonly<Record<string, unknown>>;

async function use(stand: Stand, max_tokens: number): Promise<void> {
  assert.equal((await stand.ask({ body: { ...BODY, max_tokens } })).status, 200);
  await until('it is settled', () => stand.gateway.running === 0);
}

async function usedOf(stand: Stand): Promise<number> {
  await until('it is settled', () => stand.gateway.running === 0);
  const [caller] = [...stand.gateway.config.current.callersByHash.values()];
  return (await stand.gateway.limits.read(caller!.limits.every()))[0]!.used;
}

test('R2b: a cap that is stated has to fit, to the last token', async () => {
  const { stand } = await start('[ { outputTokens: 100/minute } ]');
  await using _ = stand;
  await use(stand, 60);
  const refused = await stand.ask({ body: { ...BODY, max_tokens: 41 } });
  assert.equal(refused.status, 429);
  assert.equal(errorOf(refused).headgate['requested'], 41);
  await use(stand, 40);
  assert.equal(await usedOf(stand), 100);
});

test('R2b: a call without a cap is admitted with what is left, also where more is expected of it', async () => {
  for (const limit of ['outputTokens: 100/minute', 'outputTokens: 100/day']) {
    const { stand } = await start(`[ { ${limit} } ]`);
    await using _ = stand;
    await use(stand, 99);
    assert.equal((await stand.ask({ body: BODY })).status, 200, 'one token is left');
    const refused = await stand.ask({ body: BODY });
    assert.equal(refused.status, 429, 'none is');
    assert.equal(errorOf(refused).headgate['requested'], 1);
  }
});

for (const { what, path, body, name, cap } of [
  { what: 'a chat', path: 'chat/completions', body: BODY, name: 'max_completion_tokens', cap: 30 },
  {
    what: 'a chat that says null',
    path: 'chat/completions',
    body: { ...BODY, max_completion_tokens: null },
    name: 'max_completion_tokens',
    cap: 30,
  },
  {
    what: 'a chat of two choices',
    path: 'chat/completions',
    body: { ...BODY, n: 2 },
    name: 'max_completion_tokens',
    cap: 15,
  },
  { what: 'a completion', path: 'completions', body: { model: 'm', prompt: 'hello' }, name: 'max_tokens', cap: 30 },
]) {
  test(`R2b: under a hard limit ${what} in one piece is capped to what is left`, async () => {
    const { stand } = await start('[ { outputTokens: 100/day } ]');
    await using _ = stand;
    await use(stand, 70);
    await stand.ask({ path: `/v1/${path}`, body });
    assert.equal(sent(stand)[name], cap);
    assert.deepEqual({ ...sent(stand), [name]: undefined }, { ...body, [name]: undefined });
    assert.ok((await usedOf(stand)) <= 100);
  });
}

test('R2b: money that is left caps an answer as tokens do', async () => {
  const { stand } = await start('[ { cost: 0.0001 USD/day } ]');
  await using _ = stand;
  await stand.ask({ body: BODY });
  // 100,000 nano-dollars, less 1,000 for each input token of which the bytes make one in four; 2,000 for each output token.
  const input = Math.ceil(JSON.stringify(BODY).length / 4);
  assert.equal(sent(stand)['max_completion_tokens'], Math.floor((100 - input) / 2));
  assert.ok((await usedOf(stand)) <= 100_000);
});

test('R2b: the room of a hard limit caps an answer in one piece, also where a soft limit has less', async () => {
  const { stand } = await start('[ { outputTokens: 50/day }, { outputTokens: 20/minute } ]');
  await using _ = stand;
  await stand.ask({ body: BODY });
  assert.equal(sent(stand)['max_completion_tokens'], 50);
  assert.equal(await usedOf(stand), 50);
});

test('R2b: under a hard limit the whole cap of an answer in one piece is reserved, whatever is reserved of streams', async () => {
  const body = { ...BODY, max_tokens: 60 };
  const model = 'reserve: { output: 5 }';
  const { stand: hard } = await start('[ { outputTokens: 100/day } ]', { model });
  await using _hard = hard;
  await use(hard, 60);
  assert.equal((await hard.ask({ body })).status, 429);
  const { stand: soft } = await start('[ { outputTokens: 100/minute } ]', { model });
  await using _soft = soft;
  await use(soft, 60);
  assert.equal((await soft.ask({ body })).status, 200);
  assert.equal(await usedOf(soft), 120);
});

test('R2b: a limit with room for all that is expected, a soft one, and one that only reports cap nothing', async () => {
  for (const { limit, used } of [
    { limit: 'outputTokens: 10k/day', used: ANSWER },
    { limit: 'outputTokens: 100/minute', used: ANSWER },
    { limit: 'outputTokens: 100/day, onExceed: report', used: ANSWER },
    { limit: 'requests: 2/day', used: 1 },
  ]) {
    const { stand } = await start(`[ { ${limit} } ]`);
    await using _ = stand;
    await use(stand, 70);
    const before = await usedOf(stand);
    await stand.ask({ body: BODY });
    assert.deepEqual(sent(stand), BODY, limit);
    assert.equal((await usedOf(stand)) - before, used, 'what it used beyond the limit is debt');
  }
});

test('R2b: an estimate of the input that is larger than the limit waits for all of it, and then passes', async () => {
  const { stand, clock } = await start('[ { inputTokens: 200/minute } ]');
  await using _ = stand;
  const large = callOf(399, 398);
  await stand.ask();
  clock.advance(20_000);
  const refused = await stand.ask({ body: large });
  assert.equal(refused.status, 429);
  const { retryAfterMs, requested } = errorOf(refused).headgate;
  assert.deepEqual([retryAfterMs, requested], [40_000, 200]);
  clock.advance(39_999);
  assert.equal((await stand.ask({ body: large })).status, 429);
  clock.advance(1);
  assert.equal((await stand.ask({ body: large })).status, 200);
  assert.equal((await stand.ask()).status, 429, 'and it holds all of it');
});

for (const { what, body } of [
  { what: 'an input of which even half is larger than the limit', body: callOf(404, 403) },
  { what: 'a stated cap that is larger than the limit', body: callOf(400, 100) },
]) {
  test(`R2b: ${what} is refused for good, with 400 and no invitation to retry`, async () => {
    const { stand } = await start('[ { tokens: 200/minute } ]');
    await using _ = stand;
    const refused = await stand.ask({ body });
    assert.equal(refused.status, 400);
    const { code, type, headgate, message } = errorOf(refused);
    assert.deepEqual([code, type], ['request_exceeds_limit', 'invalid_request_error']);
    assert.deepEqual([headgate['retryAfterMs'], headgate['resetsAt']], [null, null]);
    assert.match(message, /more than the Pro tier's limit of 200 tokens per minute for this key can ever admit\./);
    assert.equal(refused.headers['x-should-retry'], 'false');
    assert.equal(refused.headers['retry-after'], undefined);
    assert.equal(refused.headers['retry-after-ms'], undefined);
    assert.equal(stand.seen, 0);
  });
}

test("R2b: the model's own cap counts as stated: it lowers the caller's, and has to fit", async () => {
  const { stand } = await start('[ { outputTokens: 100/minute } ]', { model: 'maxOutputTokens: 60' });
  await using _ = stand;
  await stand.ask({ body: BODY });
  assert.equal(sent(stand)['max_completion_tokens'], 60);
  const refused = await stand.ask({ body: { ...BODY, max_tokens: 500 } });
  assert.equal(refused.status, 429);
  assert.equal(errorOf(refused).headgate['requested'], 60);
});
