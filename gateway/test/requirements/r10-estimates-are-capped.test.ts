import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outputOf } from '../../src/policy/usage.ts';
import { STREAM_HEADERS, startHandUpstream, word } from '../fakes/hand-upstream.ts';
import { setScene } from '../fakes/scene.ts';

/** Far more bytes than any cap below has tokens. */
const LONG = 'x'.repeat(4000);

const CAPS: readonly { readonly model: string; readonly body: object; readonly most: number }[] = [
  { model: 'maxOutputTokens: 5', body: {}, most: 5 },
  { model: 'maxOutputTokens: 5', body: { n: 2 }, most: 10 },
  { model: 'maxOutputTokens: 5', body: { max_tokens: 3 }, most: 3 },
  { model: 'maxOutputTokens: 5', body: { max_tokens: 50 }, most: 5 },
  { model: 'expectedOutputTokens: 7', body: { max_tokens: 3 }, most: 3 },
];

for (const { model, body, most } of CAPS) {
  test(`R10: a call of ${JSON.stringify(body)} under '${model}' is estimated at no more than ${most} output tokens`, async () => {
    for (const stream of [true, false]) {
      await using upstream = await startHandUpstream(({ response }) => {
        if (stream) response.writeHead(200, STREAM_HEADERS).end(word(LONG));
        else response.end(JSON.stringify({ choices: [{ message: { content: LONG } }] }));
      });
      await using scene = await setScene({ targets: [upstream.url], model });
      await scene.call({ stream, body }).done;
      const { usage } = await scene.record();
      assert.deepEqual([usage.source, outputOf(usage)], ['estimated', most]);
      await scene.settled();
    }
  });
}

test('R10: where nobody set a cap the estimate is what was delivered, whatever was expected', async () => {
  await using upstream = await startHandUpstream(({ response }) => {
    response.end(JSON.stringify({ choices: [{ message: { content: LONG } }] }));
  });
  await using scene = await setScene({ targets: [upstream.url], model: 'expectedOutputTokens: 7' });
  await scene.call({ stream: false }).done;
  assert.ok(outputOf((await scene.record()).usage) >= LONG.length / 4);
  await scene.settled();
});
