/** `onExceed: report`: counts, says what it would have refused, and refuses nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setScene } from '../fakes/scene.ts';

test('a limit that reports lets everything through, counts it, and is named in the record of each call that was over it', async () => {
  await using scene = await setScene({
    limits: '[ { requests: 2/hour, onExceed: report }, { tokens: 1/hour, onExceed: report }, { requests: 10/hour } ]',
  });
  for (let sent = 0; sent < 4; sent++) {
    const { status, headers } = await scene.call({ stream: false }).done;
    assert.equal(status, 200);
    assert.equal(headers['x-ratelimit-limit-requests'], '10', 'what refuses nothing is no limit to the caller');
    assert.equal(headers['x-ratelimit-limit-tokens'], undefined);
    await scene.ledger();
    scene.clock.advance(1);
  }
  const records = (await scene.ledger()).toSorted((a, b) => a.at - b.at);
  assert.deepEqual(
    records.map(({ reported }) => reported),
    [
      ['pro.tokens-per-hour'],
      ['pro.tokens-per-hour'],
      ['pro.requests-per-hour', 'pro.tokens-per-hour'],
      ['pro.requests-per-hour', 'pro.tokens-per-hour'],
    ],
  );
  for (const { outcome, code, limit } of records) assert.deepEqual([outcome, code, limit], ['ok', null, null]);
  assert.equal((await scene.limits())[0]!.used, 4);
  await scene.settled();
});

test('a stream that outgrows a limit that reports goes on to its end, beside a hard one that it is within', async () => {
  await using scene = await setScene({
    model: 'reserve: { output: 2, step: 2 }',
    limits: '[ { outputTokens: 5/hour, onExceed: report }, { outputTokens: 10/day } ]',
  });
  const { text } = await scene.call({ body: { max_tokens: 10 } }).done;
  assert.ok(text.endsWith('data: [DONE]\n\n'));
  assert.equal((await scene.record()).outcome, 'ok');
  await scene.settled();
});
