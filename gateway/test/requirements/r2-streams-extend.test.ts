/** R2, for streams: what is reserved grows with the answer; a hard limit ends it where a cap would have, a soft one lets it finish. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outputOf } from '../../src/policy/usage.ts';
import { DONE, FINISH, type HandCall, ROLE, STREAM_HEADERS, startHandUpstream, word } from '../fakes/hand-upstream.ts';
import type { Received } from '../fakes/http-client.ts';
import { contentEvents, dataOf, type Scene, type SceneOptions, setScene } from '../fakes/scene.ts';
import { errorOf } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';

const CAP = 100;
const RESERVE = 'reserve: { output: 4, step: 4 }';

const usage = (output: number) =>
  `data: ${JSON.stringify({ id: 'c', choices: [], usage: { prompt_tokens: 30, completion_tokens: output } })}\n\n`;

/** One stream that has begun, of a provider that the test drives by hand. */
async function begin(options: SceneOptions, body: object = { max_tokens: CAP }) {
  const upstream = await startHandUpstream(({ response }) => void response.writeHead(200, STREAM_HEADERS).write(ROLE));
  const scene = await setScene({ model: RESERVE, ...options, targets: [upstream.url] });
  const sent = scene.call({ body });
  let received: Received | null = null;
  void sent.done.then((all) => {
    received = all;
  });
  await until('the provider is asked', () => upstream.calls.length === 1);
  const provider: HandCall = upstream.calls[0]!;
  return {
    upstream,
    scene,
    sent,
    provider,
    /** So many tokens, each in an event of its own that the caller has before the next; fewer when the stream is ended. */
    async say(tokens: number): Promise<void> {
      for (let token = 0; token < tokens && received === null; token++) {
        const before = sent.bytesReceived;
        provider.response.write(word('a'));
        await until('it is passed on', () => sent.bytesReceived > before || received !== null);
      }
    },
    finish(output: number): Promise<Received> {
      provider.response.end(FINISH + usage(output) + DONE);
      return sent.done;
    },
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const reservedIn = async (scene: Scene) => (await scene.limits())[0]!.reserved;

test('R2: a stream reserves a step before it needs one, and when it is over the counters are what it used', async () => {
  await using stream = await begin({ limits: '[ { outputTokens: 1k/day }, { cost: 1 USD/day } ]' });
  const { scene } = stream;
  const reserved = [await reservedIn(scene)];
  for (let token = 1; token <= 12; token++) {
    await stream.say(1);
    reserved.push(await reservedIn(scene));
  }
  // The next step when four fifths are delivered: of 4 the 4th, of 8 the 7th, of 12 the 10th.
  assert.deepEqual(reserved, [4, 4, 4, 4, 8, 8, 8, 12, 12, 12, 16, 16, 16]);
  const received = await stream.finish(12);
  assert.equal(dataOf(received.text).at(-1), '[DONE]');
  assert.equal(outputOf((await scene.record()).usage), 12);
  await scene.settled();
});

test('R2: a stream never reserves more than its cap', async () => {
  await using stream = await begin({ limits: '[ { outputTokens: 1k/day } ]' }, { max_tokens: 10 });
  await stream.say(10);
  assert.equal(await reservedIn(stream.scene), 10);
  await stream.finish(10);
  await stream.scene.settled();
});

for (const { limits, most } of [
  { limits: '{ outputTokens: 21/day }', most: 21 },
  { limits: '{ outputTokens: 21/minute, overrun: hard }', most: 21 },
  { limits: '{ outputTokens: 21/minute, burst: 18, overrun: hard }', most: 18 },
  { limits: '{ weightedTokens: 170/day, weights: { input: 0, cacheRead: 0, cacheWrite: 0, output: 10 } }', most: 17 },
  // 2 dollars per million output tokens; the input of the body is less than 50 tokens at 1 dollar.
  { limits: '{ cost: 0.0001 USD/day, models: ["*"] }', most: null },
]) {
  test(`R2: under the hard limit ${limits} a stream ends as a cap ends it, at the last token that fits`, async () => {
    await using stream = await begin({ limits: `[ ${limits} ]` });
    const { scene, provider } = stream;
    const [input] = (await scene.limits()).map(({ reserved }) => (reserved - 4 * 2000) / 1000);
    const fits = most ?? Math.floor((100 - input!) / 2);
    let aborted = false;
    provider.response.once('close', () => {
      aborted = !provider.response.writableFinished;
    });
    await stream.say(60);
    const received = await stream.sent.done;
    assert.equal(received.closed, 'end');
    assert.equal(received.status, 200);
    assert.equal(contentEvents(received.text), fits);

    const events = dataOf(received.text);
    const [last, done] = events.slice(-2);
    assert.equal(done, '[DONE]');
    assert.ok(last !== '[DONE]' && last !== undefined);
    const { choices, headgate, error } = last as typeof last & { choices: object[]; headgate: Record<string, unknown> };
    assert.equal(error, undefined);
    assert.deepEqual(choices, [{ index: 0, delta: {}, finish_reason: 'length', logprobs: null }]);
    const [state] = await scene.limits();
    assert.equal(headgate['code'], 'output_limit_reached');
    assert.equal(headgate['limit'], state!.bound.limit.id);

    await until('the provider is told to stop', () => aborted);
    const { outcome, code, limit, status, usage: used } = await scene.record();
    assert.deepEqual(
      [outcome, code, limit, status],
      ['cut_by_limit', 'output_limit_reached', state!.bound.limit.id, 200],
    );
    assert.deepEqual([used.source, outputOf(used)], ['estimated', fits]);
    await scene.settled();
  });
}

test('R2: a stream that ends at the very token that the hard limit admits is complete', async () => {
  await using stream = await begin({ limits: '[ { outputTokens: 20/day } ]' });
  await stream.say(19);
  stream.provider.response.end(word('a') + FINISH + usage(20) + DONE);
  const received = await stream.sent.done;
  assert.equal(contentEvents(received.text), 20);
  const { outcome, usage: used } = await stream.scene.record();
  assert.deepEqual([outcome, used.source, outputOf(used)], ['ok', 'provider', 20]);
  await stream.scene.settled();
});

test('R2: under a soft limit a stream finishes into debt, and the next call waits until that is paid', async () => {
  await using stream = await begin({ limits: '[ { outputTokens: 20/minute, burst: 20 } ]' });
  const { scene } = stream;
  await stream.say(50);
  const received = await stream.finish(50);
  assert.equal(contentEvents(received.text), 50);
  assert.equal(dataOf(received.text).at(-1), '[DONE]');
  assert.equal((await scene.record()).outcome, 'ok');
  await scene.settled();

  // 50 of 20 are owed, and a call needs room for one token: 31 have to flow back at 20 a minute.
  const refused = await scene.call({ stream: false, body: { max_tokens: CAP } }).done;
  assert.equal(refused.status, 429);
  const { retryAfterMs, used, amount } = errorOf(refused).headgate as Record<string, number>;
  assert.deepEqual([retryAfterMs, used, amount], [31 * 3000, 50, 20]);
  scene.clock.advance(retryAfterMs! - 1);
  assert.equal((await scene.call({ body: { max_tokens: CAP } }).done).status, 429);
  scene.clock.advance(1);
  const next = scene.call({ body: { max_tokens: CAP } });
  await until('it reaches the provider', () => stream.upstream.calls.length === 2);
  stream.upstream.calls[1]!.response.end(word('a') + FINISH + usage(1) + DONE);
  assert.equal((await next.done).status, 200);
});

test('R2: a soft limit that is used up hides nothing that a hard one lacks: the stream is ended where that ends', async () => {
  await using stream = await begin({
    limits: '[ { outputTokens: 30/day }, { outputTokens: 10/minute }, { concurrency: 2 } ]',
  });
  const { scene } = stream;
  await stream.say(20);
  assert.deepEqual(
    (await scene.limits()).slice(0, 2).map(({ reserved }) => reserved),
    [28, 8],
  );
  await stream.say(40);
  assert.equal(contentEvents((await stream.sent.done).text), 30);
  assert.equal((await scene.record()).outcome, 'cut_by_limit');
  await scene.settled();
});

test('R2: a stream in debt to a soft limit that the hard ones have room for finishes', async () => {
  await using stream = await begin({ limits: '[ { cost: 1 USD/day }, { outputTokens: 10/minute } ]' });
  await stream.say(40);
  const { text } = await stream.finish(40);
  assert.equal(contentEvents(text), 40);
  await stream.scene.settled();
});

test('R2: two streams together never get more out of a hard limit than there is', async () => {
  await using stream = await begin({ limits: '[ { outputTokens: 30/day } ]' });
  const { scene, upstream } = stream;
  const other = scene.call({ body: { max_tokens: CAP } });
  await until('both run', () => upstream.calls.length === 2);
  for (let token = 0; token < 40; token++) {
    await stream.say(1);
    upstream.calls[1]!.response.write(word('a'));
  }
  const texts = [(await stream.sent.done).text, (await other.done).text];
  assert.equal(
    texts.reduce((sum, text) => sum + contentEvents(text), 0),
    30,
  );
  await scene.settled();
});
