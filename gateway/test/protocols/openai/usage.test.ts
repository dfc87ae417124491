import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputOf, outputOf, type Usage } from '../../../src/policy/usage.ts';
import { readStream } from '../../../src/protocols/openai/stream.ts';
import { readBody, usageOf } from '../../../src/protocols/openai/usage.ts';
import type { Recording } from '../../../src/provider/recording.ts';
import { manifest, RECORDINGS, recordingOf } from '../../conformance/recorded.ts';

/** What Headgate reads of a recording's usage; null when it reports none. */
function usageIn({ body, streamed }: Recording): Usage | null {
  if (!streamed) return readBody('chat', body).usage;
  const reading = readStream('chat', false);
  reading.take(body);
  return reading.usage;
}

/** input, cache read, cache write, output, reasoning */
function bucketsOf(usage: Usage | null): readonly number[] | null {
  if (usage === null) return null;
  const { inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens, reasoningTokens } = usage;
  return [inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens, reasoningTokens];
}

for (const { file, usage } of manifest()) {
  const recording = RECORDINGS.find(({ name }) => file.startsWith(`${name}.`));
  if (recording === undefined) continue;
  test(`R48: the buckets of ${recording.name} add up to the provider's own total`, () => {
    const read = usageIn(recording);
    if (usage === null) return assert.equal(read, null);
    assert.ok(read !== null);
    assert.equal(read.source, 'provider');
    assert.equal(inputOf(read), usage['prompt_tokens']);
    assert.equal(inputOf(read) + outputOf(read), usage['total_tokens']);
    assert.ok(bucketsOf(read)!.every((count) => Number.isSafeInteger(count) && count >= 0));
  });
}

// Written by hand from the bodies: input, cache read, cache write, output, reasoning.
// biome-ignore format: a table
const BY_HAND: Readonly<Record<string, readonly number[]>> = {
  'openai/chat-gpt-4o-mini-cache':                             [125, 1024, 0, 261, 0],
  'openai/chat-gpt-5-nano':                                    [12, 0, 0, 0, 100],
  'deepseek/chat-deepseek-chat-cache':                         [103, 256, 0, 25, 0],
  'deepseek/sdk-chat-deepseek-reasoning':                      [18, 0, 0, 14, 205],
  'mistral/chat-mistral-small-latest-tools':                   [32, 112, 0, 28, 0],
  'moonshot/sdk-chat-moonshotai-stream':                       [9, 0, 0, 5, 7],
  'groq/chat-llama3-8b-8192':                                  [18, 0, 0, 73, 0],
  'groq/sdk-chat-groq-reasoning':                              [17, 0, 0, 144, 963],
  'huggingface/chat-moonshotai-Kimi-K2-Instruct-0905-g-tools': [93, 0, 0, 21, 0],
  'openrouter/chat-anthropic-claude-haiku-4.5-tools':          [626, 0, 0, 52, 61],
  'xai/chat-grok-code-fast-1-thinking':                        [21, 192, 0, 2, 198],
  'zai/chat-glm-4.7-flash-tools':                              [4, 169, 0, 28, 61],
  'perplexity/chat-sonar':                                     [8, 0, 0, 5, 0],
  // It claims more reasoning than completion; the total is what is billed.
  'vercel-gateway/chat-google-gemini-3-pro-preview-tools':     [28, 0, 0, 0, 9],
  'perplexity/embeddings-pplx-embed-v1-0.6b':                  [3, 0, 0, 0, 0],
};
for (const [name, buckets] of Object.entries(BY_HAND)) {
  test(`R48: the usage of ${name} is in the buckets that a person puts it in`, () => {
    assert.deepEqual(bucketsOf(usageIn(recordingOf(name))), buckets);
  });
}

test('reasoning inside completion_tokens is taken out of the output; reasoning beside it, as at xAI, is not', () => {
  const details = { completion_tokens_details: { reasoning_tokens: 30 } };
  assert.deepEqual(
    bucketsOf(usageOf({ prompt_tokens: 10, completion_tokens: 50, total_tokens: 60, ...details })),
    [10, 0, 0, 20, 30],
  );
  assert.deepEqual(
    bucketsOf(usageOf({ prompt_tokens: 10, completion_tokens: 50, total_tokens: 90, ...details })),
    [10, 0, 0, 50, 30],
  );
  assert.deepEqual(bucketsOf(usageOf({ prompt_tokens: 10, completion_tokens: 50, ...details })), [10, 0, 0, 20, 30]);
});

test('cached and cache-written input is part of prompt_tokens, under each name that providers have for it', () => {
  const counts = { prompt_tokens: 100, completion_tokens: 1, total_tokens: 101 };
  assert.deepEqual(
    bucketsOf(usageOf({ ...counts, prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 30 } })),
    [10, 60, 30, 1, 0],
  );
  assert.deepEqual(bucketsOf(usageOf({ ...counts, prompt_cache_hit_tokens: 60 })), [40, 60, 0, 1, 0]);
  assert.deepEqual(bucketsOf(usageOf({ ...counts, cached_tokens: 60 })), [40, 60, 0, 1, 0]);
});

test('audio tokens are told of the input and the output that they are part of, and change no bucket', () => {
  const counts = { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 };
  const details = {
    prompt_tokens_details: { cached_tokens: 60, audio_tokens: 80 },
    completion_tokens_details: { reasoning_tokens: 10, audio_tokens: 30 },
  };
  const usage = usageOf({ ...counts, ...details });
  assert.deepEqual(bucketsOf(usage), [40, 60, 0, 40, 10]);
  assert.deepEqual([usage?.audioInputTokens, usage?.audioOutputTokens], [80, 30]);
  const silent = usageOf({ ...counts, completion_tokens_details: { audio_tokens: null } });
  assert.deepEqual([silent?.audioInputTokens, silent?.audioOutputTokens], [0, 0]);
  const absurd = usageOf({ ...counts, prompt_tokens_details: { audio_tokens: 101 } });
  assert.equal(absurd?.audioInputTokens, 100);
});

test('no report makes a bucket negative', () => {
  const report = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 };
  const absurd = {
    prompt_tokens_details: { cached_tokens: 50, cache_write_tokens: 9 },
    completion_tokens_details: { reasoning_tokens: 40 },
  };
  assert.deepEqual(bucketsOf(usageOf({ ...report, ...absurd })), [0, 5, 0, 0, 3]);
});

test('what is no report of usage is none', () => {
  for (const wire of [
    undefined,
    null,
    5,
    'x',
    [],
    {},
    { prompt_tokens: null },
    { prompt_tokens: '5' },
    { prompt_tokens: -1 },
    { prompt_tokens: 1.5 },
  ]) {
    assert.equal(usageOf(wire), null);
  }
});

test('a body is complete exactly when a JSON reader can read it', () => {
  const usage = '"usage":{"prompt_tokens":1,"completion_tokens":2}';
  const complete = (text: string) => readBody('chat', Buffer.from(text)).complete;
  for (const text of [
    '{}',
    ` {"choices":[],${usage}}\n`,
    `{${usage},${usage}}`,
    `\ufeff{${usage}}`,
    '[]',
    `{"Usage":1,${usage}}`,
  ]) {
    assert.ok(complete(text), text);
  }
  for (const text of [
    '',
    '{',
    `{${usage}`,
    '{"a":"x',
    '{"a":[1,2}',
    '<html>',
    `{${usage}}}`,
    '{"usage":{"prompt_tokens":}}',
  ])
    assert.ok(!complete(text), text);
  assert.equal(readBody('chat', Buffer.from(`{"usage":null,${usage}}`)).usage?.outputTokens, 2);
  assert.equal(readBody('chat', Buffer.from(`\ufeff{${usage}}`)).usage?.outputTokens, 2);
});
