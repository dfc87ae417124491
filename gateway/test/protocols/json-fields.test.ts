import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Scan, scanFields } from '../../src/protocols/json-fields.ts';
import { objectText } from './json-text.ts';

const WANTED = new Set(['model', 'stream', 'max_tokens']);
const RUNS = { numRuns: 2000 };

/** Names that matter, names that look like them, and any others. */
const keys = fc.oneof(
  fc.constantFrom(...WANTED, 'messages', 'models', 'mode', '', '"', '\\', '__proto__'),
  fc.string({ unit: 'grapheme', maxLength: 5 }),
);
const deceptiveKeys = fc.oneof(keys, fc.constantFrom('Model', 'STREAM', 'ſtream', 'max_toKens', 'mOdel'));

function scan(text: string): Scan {
  return scanFields(Buffer.from(text).toString('latin1'), WANTED);
}

/** What a JSON reader makes of the bytes that a field was found at. */
function valueAt(text: string, found: { start: number; end: number }): unknown {
  return JSON.parse(Buffer.from(text).toString('utf8', found.start, found.end));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

test('every wanted field of any JSON object is found exactly where it stands, and repeats are refused', () => {
  fc.assert(
    fc.property(objectText(keys), ({ text, fields }) => {
      const result = scan(text);
      const wanted = fields.filter(({ key }) => WANTED.has(key));
      if (new Set(wanted.map(({ key }) => key)).size < wanted.length) {
        assert.ok(!result.ok && result.reason === 'duplicate_field');
        return;
      }
      assert.ok(result.ok);
      const bytes = Buffer.from(text);
      const found = [...result.fields].map(([key, { start, end }]) => ({
        key,
        value: bytes.toString('utf8', start, end),
      }));
      assert.deepEqual(found, wanted);
      assert.equal(bytes.toString('latin1', result.open - 1, result.open), '{');
      assert.equal(bytes.toString('latin1', result.close).trim(), '}');
    }),
    RUNS,
  );
});

test('a key that differs from a wanted one in case only is refused, for Go takes the two for the same', () => {
  // biome-ignore format: pairs
  const spellings = [
    ['Model', 'model'], ['MODEL', 'model'], ['mod\\u0045l', 'model'], ['\u017ftream', 'stream'], ['\\u017ftream', 'stream'],
    ['Max_Tokens', 'max_tokens'], ['max_to\u212aens', 'max_tokens'],
  ] as const;
  for (const [key, field] of spellings) {
    assert.deepEqual(
      scan(`{"model":"a","messages":[],"${key}":1}`),
      { ok: false, reason: 'miscased_field', field },
      key,
    );
  }
  assert.ok(scan('{"model":"a","Modell":1,"messages":[{"Model":1}]}').ok);
});

test('whatever is wrong with a text, it is never read otherwise than by a JSON reader, and no valid object is refused', () => {
  const change = fc.record({
    at: fc.nat(),
    remove: fc.nat({ max: 2 }),
    insert: fc.constantFrom(
      '',
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      ' ',
      '\n',
      'x',
      '1',
      '"model":1,',
      '\u0000',
      '字',
    ),
  });
  fc.assert(
    fc.property(objectText(deceptiveKeys), fc.array(change, { maxLength: 3 }), ({ text }, changes) => {
      const broken = changes.reduce((before, { at, remove, insert }) => {
        const start = at % (before.length + 1);
        return before.slice(0, start) + insert + before.slice(start + remove);
      }, text);
      const result = scan(broken);
      const truth = parsed(broken);
      if (typeof truth !== 'object' || truth === null || Array.isArray(truth)) return;
      if (!result.ok) {
        assert.ok(result.reason === 'duplicate_field' || result.reason === 'miscased_field', broken);
        return;
      }
      const read = Object.fromEntries([...result.fields].map(([key, span]) => [key, valueAt(broken, span)]));
      const expected = Object.fromEntries(Object.entries(truth).filter(([key]) => WANTED.has(key)));
      assert.deepEqual(read, expected);
    }),
    RUNS,
  );
});

test('what is no JSON object is said to be none', () => {
  for (const text of ['', ' ', '[]', '"model"', 'null', '1', '\ufeff{}']) {
    assert.deepEqual(scan(text), { ok: false, reason: 'not_an_object' }, text);
  }
  const broken = [
    '{',
    '{"',
    '{"model',
    '{"model"',
    '{"model":',
    '{"model":}',
    '{"model":"a"',
    '{"model":"a",',
    '{"model":"a",}',
    '{"model":"a"}}',
    '{"model":"a"} x',
    '{model:"a"}',
    '{"model" "a"}',
    '{"model":"a" "stream":1}',
    '{"a":{"b":1}',
    '{"a":[1,2}',
    '{"a":"\\"}',
    '{"a":{"b":"}',
    '{,}',
  ];
  for (const text of broken) assert.deepEqual(scan(text), { ok: false, reason: 'not_json' }, text);
});

test('only top-level fields are found', () => {
  const result = scan(
    '{"messages":[{"model":"inner","stream":true}],"x":{"model":"deep"},"y":"\\"model\\":1","model":"outer"}',
  );
  assert.ok(result.ok);
  assert.deepEqual([...result.fields.keys()], ['model']);
});

test('no text is slow to scan, whatever it is made of', () => {
  for (const unit of ['\\"', '\\\\', '[[', '{"a":[', '"a",', ' ']) {
    const started = performance.now();
    scan(`{"a":"${unit.repeat(300_000)}`);
    scan(`{"a":${unit.repeat(300_000)}`);
    // A reader that is quadratic in anything takes minutes.
    assert.ok(performance.now() - started < 2_000, unit);
  }
});
