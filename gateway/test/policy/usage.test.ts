import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addUsage, amountsOf, inputOf, outputOf, type Usage } from '../../src/policy/usage.ts';

const usage: Usage = {
  inputTokens: 100,
  cacheReadTokens: 20,
  cacheWriteTokens: 3,
  outputTokens: 40,
  reasoningTokens: 5,
  audioInputTokens: 7,
  audioOutputTokens: 4,
  source: 'provider',
};

test('limits are told one request, all its tokens once, and which of them are of a kind of their own', () => {
  assert.deepEqual(amountsOf(usage, 1234), {
    requests: 1,
    inputTokens: 123,
    outputTokens: 45,
    cost: 1234,
    parts: { cacheRead: 20, cacheWrite: 3, reasoning: 5, audioInput: 7, audioOutput: 4 },
  });
});

test('an unknown cost takes nothing of a limit on cost', () => {
  assert.equal(amountsOf(usage, null).cost, 0);
});

test('the use of two attempts is the sum of each figure, and as sure as the less sure of them', () => {
  const sum = addUsage(usage, { ...usage, source: 'estimated' });
  assert.deepEqual([inputOf(sum), outputOf(sum), sum.audioInputTokens, sum.audioOutputTokens], [246, 90, 14, 8]);
  assert.equal(sum.source, 'estimated');
});
