import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outputOf } from '../../src/policy/usage.ts';
import { dataOf, type Scene, setScene } from '../fakes/scene.ts';

const forwarded = (scene: Scene) =>
  JSON.parse(scene.providers[0]!.requests[0]!.body.toString()) as { stream_options?: Record<string, unknown> };

const usageFrames = (text: string) => dataOf(text).filter((data) => data !== '[DONE]' && data.usage);

test('R10: usage is asked for on behalf of a caller who did not, charged as reported, and hidden from the caller', async () => {
  for (const stream_options of [undefined, null, {}, { include_usage: false }]) {
    await using scene = await setScene();
    const { text } = await scene.call({ body: stream_options === undefined ? {} : { stream_options } }).done;
    assert.equal(forwarded(scene).stream_options?.['include_usage'], true);
    assert.deepEqual(usageFrames(text), []);
    assert.equal(dataOf(text).at(-1), '[DONE]');
    const { usage } = await scene.record();
    const entry = scene.providers[0]!.book.entries[0]!;
    assert.deepEqual([usage.source, usage.inputTokens, outputOf(usage)], ['provider', entry.promptTokens, 10]);
    await scene.settled();
  }
});

test('R10: a caller who asks for usage gets it, and its options go on as they came', async () => {
  await using scene = await setScene();
  const asked = { include_usage: true, include_obfuscation: false };
  const { text } = await scene.call({ body: { stream_options: asked } }).done;
  assert.deepEqual(forwarded(scene).stream_options, asked);
  assert.deepEqual(
    usageFrames(text).map((data) => data !== '[DONE]' && data.usage?.completion_tokens),
    [10],
  );
  assert.equal((await scene.record()).usage.source, 'provider');
  await scene.settled();
});

test('R10: a provider that rejects the option is not sent it, and its streams are estimated, marked so, never free', async () => {
  await using scene = await setScene({ provider: 'includeUsage: false' });
  const { text } = await scene.call().done;
  assert.equal('stream_options' in forwarded(scene), false);
  assert.deepEqual(usageFrames(text), []);
  const { usage, cost, outcome } = await scene.record();
  assert.deepEqual([outcome, usage.source], ['ok', 'estimated']);
  assert.ok(outputOf(usage) >= 10 && usage.inputTokens >= scene.providers[0]!.book.entries[0]!.promptTokens);
  assert.ok(cost !== null && cost > 0);
  await scene.settled();
});

test('R10: what a JSON call says is left alone, for its answer reports usage by itself', async () => {
  await using scene = await setScene();
  const { text } = await scene.call({ stream: false }).done;
  assert.equal('stream_options' in forwarded(scene), false);
  assert.equal((JSON.parse(text) as { usage: { completion_tokens: number } }).usage.completion_tokens, 10);
  assert.equal((await scene.record()).usage.source, 'provider');
  await scene.settled();
});
