import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteSpan, Operation } from '../../../src/call.ts';
import { Refused } from '../../../src/errors.ts';
import { read } from '../../../src/protocols/openai/read.ts';

function fieldsOf(body: object | string, operation: Operation = 'chat') {
  return read(operation, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
}

function textAt(body: Buffer, span: ByteSpan | null): string | null {
  return span === null ? null : body.toString('utf8', span.start, span.end);
}

function refused(code: string, param: string | undefined, says = /./) {
  return (thrown: unknown) => {
    assert.ok(thrown instanceof Refused);
    assert.deepEqual([thrown.code, thrown.detail.param], [code, param]);
    assert.match(thrown.message, says);
    return true;
  };
}

test('the fields that decide are read, and the spans say where they stand in bytes', () => {
  const text =
    '{ "messages":[{"role":"user","content":"Grüße, 世界 🌍"}],"model" : "m\\u00e9","stream":true, "max_tokens": 7,"stream_options":{"include_usage":true}}';
  const { body, spans, ...rest } = fieldsOf(text);
  const asked = { streamed: true, outputTokensAsked: 7, choices: 1, wantsUsage: true };
  assert.deepEqual(rest, { model: 'mé', endUser: null, ...asked });
  assert.equal(body.toString(), text);
  assert.equal(spans.open, 1);
  assert.equal(textAt(body, spans.model), '"m\\u00e9"');
  assert.equal(textAt(body, spans.streamOptions), '{"include_usage":true}');
  assert.deepEqual(
    spans.outputCaps.map((span) => textAt(body, span)),
    ['7'],
  );
});

test('whom the call is for is what the caller says, the newer field before the older; an empty text names nobody', () => {
  const endUserOf = (fields: object) => fieldsOf({ model: 'm', ...fields }).endUser;
  assert.equal(endUserOf({ user: 'bob' }), 'bob');
  assert.equal(endUserOf({ user: 'bob', safety_identifier: 'b-1' }), 'b-1');
  assert.equal(endUserOf({ user: 'bob', safety_identifier: '' }), 'bob');
  assert.equal(endUserOf({ user: 7 }), null);
  assert.equal(endUserOf({ user: null }), null);
});

test('what is left out or null is not asked for', () => {
  for (const body of [
    { model: 'm' },
    { model: 'm', stream: null, stream_options: null, n: null, max_tokens: null, max_completion_tokens: null },
  ]) {
    const { streamed, outputTokensAsked, choices, wantsUsage, spans } = fieldsOf(body);
    assert.deepEqual([streamed, outputTokensAsked, choices, wantsUsage], [false, null, 1, false]);
    assert.deepEqual(spans.outputCaps, []);
  }
});

test('of two caps the larger one is what the call may cost', () => {
  assert.equal(fieldsOf({ model: 'm', max_tokens: 10, max_completion_tokens: 500 }).outputTokensAsked, 500);
  assert.equal(fieldsOf({ model: 'm', max_tokens: 500, max_completion_tokens: 10 }).outputTokensAsked, 500);
});

test('usage is asked for by include_usage: true in a stream alone', () => {
  const asks = (body: object) => fieldsOf({ model: 'm', ...body }).wantsUsage;
  assert.equal(asks({ stream: true, stream_options: { include_usage: true, include_obfuscation: false } }), true);
  assert.equal(asks({ stream: true, stream_options: { include_usage: false } }), false);
  assert.equal(asks({ stream: true, stream_options: {} }), false);
  assert.equal(asks({ stream_options: { include_usage: true } }), false);
});

test('the cap counts for each answer: those of n, of best_of, and of every prompt of a completion', () => {
  const choices = (body: object, operation: Operation) => fieldsOf({ model: 'm', ...body }, operation).choices;
  assert.equal(choices({ n: 3 }, 'chat'), 3);
  assert.equal(choices({ n: 2, best_of: 5, prompt: 'a' }, 'completion'), 5);
  assert.equal(choices({ prompt: ['a', 'b', 'c'] }, 'completion'), 3);
  assert.equal(choices({ prompt: ['a', 'b', 'c'], n: 2 }, 'completion'), 6);
  assert.equal(choices({ prompt: [1, 2, 3] }, 'completion'), 1);
  assert.equal(choices({ prompt: [[1, 2], [3]] }, 'completion'), 2);
  assert.equal(choices({ prompt: [] }, 'completion'), 1);
  assert.equal(choices({ n: 3 }, 'embedding'), 1);
});

test('embeddings generate nothing: stream and caps are not theirs', () => {
  const fields = fieldsOf({ model: 'm', input: 'a', stream: true, max_tokens: 9 }, 'embedding');
  assert.deepEqual([fields.streamed, fields.outputTokensAsked], [false, null]);
});

test('what is no JSON object is refused as invalid_json', () => {
  for (const text of [
    '',
    'x',
    '[]',
    '{"model":"m"',
    '{"model":"m",}',
    '{"model":"\\x"}',
    '{"model":"m","stream":true,"stream_options":{]}}',
  ]) {
    assert.throws(() => fieldsOf(text), refused('invalid_json', undefined), text);
  }
});

test('a field of the wrong type is refused by its name', () => {
  const wrong: readonly [string, object][] = [
    ['model', {}],
    ['model', { model: '' }],
    ['model', { model: 1 }],
    ['model', { model: ['m'] }],
    ['stream', { model: 'm', stream: 'true' }],
    ['stream', { model: 'm', stream: 1 }],
    ['stream_options', { model: 'm', stream: true, stream_options: [] }],
    ['stream_options', { model: 'm', stream: true, stream_options: 'x' }],
    ['max_tokens', { model: 'm', max_tokens: '10' }],
    ['max_tokens', { model: 'm', max_tokens: -1 }],
    ['max_tokens', { model: 'm', max_tokens: 1.5 }],
    ['max_completion_tokens', { model: 'm', max_completion_tokens: {} }],
    ['max_completion_tokens', { model: 'm', max_completion_tokens: 1e300 }],
    ['n', { model: 'm', n: true }],
    ['n', { model: 'm', n: 129 }],
    ['best_of', { model: 'm', best_of: 1e9 }],
  ];
  for (const [param, body] of wrong)
    assert.throws(() => fieldsOf(body), refused('invalid_field', param), JSON.stringify(body));
});

test('R14: no second spelling of a field smuggles a value past the limits', () => {
  const smuggled = ['"model":"big"', '"mod\\u0065l":"big"', '"Model":"big"', '"MODEL":"big"'];
  for (const field of smuggled)
    assert.throws(() => fieldsOf(`{"model":"m",${field}}`), refused('invalid_field', 'model'), field);
  assert.throws(
    () => fieldsOf('{"model":"m","max_tokens":1,"max_tokens":99}'),
    refused('invalid_field', 'max_tokens', /twice/),
  );
  assert.throws(
    () => fieldsOf('{"model":"m","max_tokens":1,"max_to\u212aens":99}'),
    refused('invalid_field', 'max_tokens', /lower case/),
  );
});
