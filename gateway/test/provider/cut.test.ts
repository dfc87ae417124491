import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Cut, cut } from '../../src/provider/cut.ts';
import { piece, recut } from '../../src/provider/plan.ts';
import { replay } from '../../src/provider/recording.ts';
import { seeded } from '../../src/provider/seeded.ts';

const RANDOM = seeded(1);
const HOWS: readonly Cut[] = ['whole', 'event', 'random', 'utf8', 'crlf', { bytes: 1 }, { bytes: 7 }];
const texts = (text: string, how: Cut): string[] =>
  cut(Buffer.from(text), how, RANDOM).map((each) => each.toString('latin1'));

test('the pieces of every cut are never empty and joined are the body again', () => {
  const bodies = fc.oneof(
    fc.uint8Array(),
    fc.stringMatching(/^[é€\r\nd:]*$/).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(bodies, fc.constantFrom(...HOWS), fc.integer(), (body, how, seed) => {
      const pieces = cut(Buffer.from(body), how, seeded(seed));
      assert.deepEqual(Buffer.concat(pieces), Buffer.from(body));
      assert.ok(pieces.every(({ length }) => length > 0));
    }),
  );
});

test('an event ends with its blank line, whatever the line ends', () => {
  assert.deepEqual(texts('data: 1\n\ndata: 2\n\n', 'event'), ['data: 1\n\n', 'data: 2\n\n']);
  assert.deepEqual(texts('data: 1\r\n\r\ndata: 2\r\n\r\n', 'event'), ['data: 1\r\n\r\n', 'data: 2\r\n\r\n']);
  assert.deepEqual(texts('data: 1\r\rdata: 2', 'event'), ['data: 1\r\r', 'data: 2']);
  assert.deepEqual(texts(': a comment\ndata: 1\n\n', 'event'), [': a comment\ndata: 1\n\n']);
});

test('utf8 cuts before every further byte of a character, crlf between its two halves, bytes at every so many', () => {
  assert.deepEqual(
    cut(Buffer.from('aé€'), 'utf8', RANDOM).map((each) => each.toString('hex')),
    ['61c3', 'a9e2', '82', 'ac'],
  );
  assert.deepEqual(texts('a\r\nb\n\r\n', 'crlf'), ['a\r', '\nb\n\r', '\n']);
  assert.deepEqual(texts('abcde', { bytes: 2 }), ['ab', 'cd', 'e']);
});

test('a seed repeats a random cut', () => {
  const body = Buffer.alloc(50_000);
  const sizes = (seed: number): number[] => cut(body, 'random', seeded(seed)).map(({ length }) => length);
  assert.deepEqual(sizes(7), sizes(7));
  assert.notDeepEqual(sizes(7), sizes(8));
});

test('a plan that is cut anew keeps its bytes, its tokens and the time of each byte', () => {
  const lengths = fc.array(fc.record({ length: fc.integer({ min: 1, max: 9 }), tokens: fc.nat(3) }), { maxLength: 9 });
  const recording = {
    name: '',
    path: null,
    requestBody: null,
    status: 200,
    headers: [],
    body: Buffer.from('x'),
    streamed: true,
  };
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 12 }), (sizes, bytes) => {
      const pieces = sizes.map(({ length, tokens }, at) =>
        piece(Buffer.alloc(length, at), tokens, at, at === sizes.length - 1),
      );
      const anew = recut({ ...replay({ ...recording, usage: null }), pieces }, { bytes }, RANDOM).pieces;
      assert.deepEqual(Buffer.concat(anew.map((each) => each.bytes)), Buffer.concat(pieces.map((each) => each.bytes)));
      assert.equal(sum(anew), sum(pieces));
      for (const each of anew) assert.equal(each.beat, each.bytes.at(-1));
      assert.deepEqual(
        anew.map((each) => each.reportsUsage),
        anew.map((_, at) => at === anew.length - 1),
      );
    }),
  );
});

const sum = (pieces: readonly { tokens: number }[]): number => pieces.reduce((total, { tokens }) => total + tokens, 0);
