import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { write } from '../../../src/protocols/openai/write.ts';
import { objectText } from '../json-text.ts';
import { callOf, targetOf } from './calls.ts';

/** What `target` is sent for `body`, as text. */
function sent(body: string, setting: Parameters<typeof callOf>[1] = {}, target = targetOf('alias')): string {
  return write(callOf(body, setting), target).toString();
}

test('R22, R65: a body in which nothing is to be replaced is the very same buffer', () => {
  const call = callOf('{"model":"alias", "messages" : [ ]}');
  assert.equal(write(call, targetOf('alias')), call.body);
});

test('R65: the model is replaced by the target’s own name, and not one byte else', () => {
  const body =
    '{ "messages":[{"content":"say \\"model\\":\\"alias\\" 世界"}] ,\n"model" :\t"al\\u0069as", "x":1e2, "x":2 }';
  assert.equal(sent(body, {}, targetOf('large "v2"')), body.replace('"al\\u0069as"', '"large \\"v2\\""'));
});

test('R10: usage is asked for where the caller did not, and where the provider can', () => {
  const target = targetOf('alias');
  const cases: readonly [string, string][] = [
    ['{"model":"alias","stream":true}', '{"stream_options":{"include_usage":true},"model":"alias","stream":true}'],
    [
      '{ "stream":true,"model":"alias","stream_options": null }',
      '{ "stream":true,"model":"alias","stream_options": {"include_usage":true} }',
    ],
    [
      '{"stream":true,"stream_options":{"include_usage":false,"a":[1]},"model":"alias"}',
      '{"stream":true,"stream_options":{"include_usage":true,"a":[1]},"model":"alias"}',
    ],
  ];
  for (const [body, expected] of cases) {
    assert.equal(sent(body, {}, target), expected);
    assert.equal(sent(body, {}, targetOf('alias', false)), body);
  }
  for (const body of [
    '{"stream":true,"stream_options":{ "include_usage" : true},"model":"alias"}',
    '{"model":"alias"}',
    '{"stream":false,"model":"alias"}',
  ]) {
    assert.equal(sent(body, {}, target), body);
  }
});

test('a model’s cap is set where the caller states none, under the name that the endpoint knows', () => {
  const setting = { maxOutputTokens: 50 };
  assert.equal(sent('{"model":"alias"}', setting), '{"max_completion_tokens":50,"model":"alias"}');
  assert.equal(sent('{"model":"alias"}', { ...setting, operation: 'completion' }), '{"max_tokens":50,"model":"alias"}');
  assert.equal(sent('{"model":"alias"}', { ...setting, operation: 'embedding' }), '{"model":"alias"}');
});

test('a model’s cap replaces a null, which behind it would win over it', () => {
  const setting = { maxOutputTokens: 50 };
  assert.equal(
    sent('{"model":"alias","max_completion_tokens":null}', setting),
    '{"model":"alias","max_completion_tokens":50}',
  );
  assert.equal(
    sent('{"max_tokens":null,"model":"alias"}', { ...setting, operation: 'completion' }),
    '{"max_tokens":50,"model":"alias"}',
  );
  assert.equal(
    sent('{"max_tokens":null,"model":"alias"}', setting),
    '{"max_completion_tokens":50,"max_tokens":null,"model":"alias"}',
  );
});

test('a model’s cap lowers what is above it and raises nothing', () => {
  const setting = { maxOutputTokens: 50 };
  assert.equal(sent('{"max_tokens":51,"model":"alias"}', setting), '{"max_tokens":50,"model":"alias"}');
  assert.equal(sent('{"max_tokens":50,"model":"alias"}', setting), '{"max_tokens":50,"model":"alias"}');
  assert.equal(
    sent('{"max_tokens":10,"model":"alias","max_completion_tokens": 900}', setting),
    '{"max_tokens":10,"model":"alias","max_completion_tokens": 50}',
  );
});

test('R65: whatever the body, a JSON reader sees the caller’s fields with the model, the cap and the usage of this target', () => {
  const others = fc
    .string({ unit: 'grapheme', maxLength: 5 })
    .filter((key) => !RESERVED.has(key.toUpperCase().toLowerCase()));
  const own = fc.record(
    {
      stream: fc.boolean(),
      stream_options: fc.constantFrom(null, {}, { include_usage: false }),
      max_tokens: fc.constantFrom(null, 1, 1000),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(objectText(others), own, ({ text }, fields) => {
      const inner = text.trim().slice(1, -1).trim();
      const ownText = JSON.stringify({ model: 'alias', ...fields }).slice(1, -1);
      const body = `{${inner}${inner === '' ? '' : ','}${ownText}}`;
      const before = JSON.parse(body) as Record<string, unknown>;
      const after = JSON.parse(sent(body, { maxOutputTokens: 50 }, targetOf('large'))) as Record<string, unknown>;
      const asked = before['max_tokens'];
      assert.deepEqual(after, {
        ...before,
        model: 'large',
        ...(typeof asked === 'number' ? { max_tokens: Math.min(asked, 50) } : { max_completion_tokens: 50 }),
        ...(before['stream'] === true && {
          stream_options: { ...(before['stream_options'] as object | null), include_usage: true },
        }),
      });
    }),
    { numRuns: 500 },
  );
});

const RESERVED = new Set([
  'model',
  'stream',
  'stream_options',
  'n',
  'best_of',
  'prompt',
  'max_tokens',
  'max_completion_tokens',
  '__proto__',
]);
