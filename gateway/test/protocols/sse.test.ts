import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readStream } from '../../src/protocols/openai/stream.ts';
import { EVENT_BYTES_MAX, EventCutter } from '../../src/protocols/sse.ts';
import { cut } from '../../src/provider/cut.ts';
import { seeded } from '../../src/provider/seeded.ts';
import { framingsOf, withLongLine } from '../conformance/framings.ts';
import { recordingOf, SEED, STREAMS } from '../conformance/recorded.ts';

/** Bodies up to this size are read whole at every offset. */
const SMALL_BYTES = 3 * 1024;

function pushAll(pieces: Iterable<Buffer>): Buffer[] {
  const cutter = new EventCutter();
  const blocks: Buffer[] = [];
  for (const piece of pieces) {
    const block = cutter.push(piece);
    if (block !== null) blocks.push(block);
  }
  const rest = cutter.rest();
  return rest === null ? blocks : [...blocks, rest];
}

/** Everything that Headgate makes of a stream that comes in these pieces. */
function passage(pieces: Iterable<Buffer>, hideUsage: boolean) {
  const reading = readStream('chat', hideUsage);
  const bytes = Buffer.concat(pushAll(pieces).map((block) => reading.take(block)));
  const { started, complete, error, usage, deliveredTokens } = reading;
  return { bytes: bytes.toString('latin1'), started, complete, error, usage, deliveredTokens };
}

function withoutBlankLines(passed: ReturnType<typeof passage>) {
  return { ...passed, bytes: passed.bytes.split(/\r?\n/).filter(Boolean) };
}

/** In two pieces, at each offset in turn. */
function* splits(bytes: Buffer, from = 1, to = bytes.length): Generator<[Buffer, Buffer]> {
  for (let at = from; at < to; at++) yield [bytes.subarray(0, at), bytes.subarray(at)];
}

function* singly(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1);
}

const small: (readonly [string, Buffer])[] = STREAMS.filter(({ body }) => body.length <= SMALL_BYTES).map(
  ({ name, body }) => [name, body],
);
for (const name of ['huggingface/chat-moonshotai-Kimi-K2-Instruct-0905-g-tools', 'openai/chat-gpt-5-nano']) {
  for (const [framing, body] of framingsOf(recordingOf(name))) small.push([`${name} with ${framing}`, body]);
}

for (const [name, body] of small) {
  test(`R36: ${name}, split at every byte offset, is what it is unsplit`, () => {
    const whole = passage([body], false);
    assert.equal(whole.bytes, body.toString('latin1'));
    assert.deepEqual([whole.started, whole.complete, whole.error], [true, true, null]);
    // A blank line too many before an event that is hidden goes with it or stays, as it comes with it or before it.
    const hidden = withoutBlankLines(passage([body], true));
    for (const pieces of splits(body)) {
      assert.deepEqual(passage(pieces, false), whole);
      assert.deepEqual(withoutBlankLines(passage(pieces, true)), hidden);
    }
  });
}

test('R36: every recorded stream, split inside every event at every byte offset, passes byte for byte and in whole events', () => {
  for (const { name, body } of STREAMS) {
    const events = cut(body, 'event', seeded(SEED));
    for (const [index, event] of events.entries()) {
      const before = events[index - 1]?.length ?? 0;
      // A cutter keeps nothing of an event that is over: the one before and the one behind are all it can see.
      const around = Buffer.concat(events.slice(Math.max(0, index - 1), index + 2));
      for (const pieces of splits(around, before + 1, before + event.length)) {
        const blocks = pushAll(pieces);
        assert.ok(Buffer.concat(blocks).equals(around), name);
        assert.ok(blocks.every(endsEvent), name);
      }
    }
  }
});

test('R36: every recorded stream in single bytes, and at random, is what it is unsplit', () => {
  for (const { name, body } of STREAMS) {
    const whole = passage([body], true);
    assert.deepEqual(passage(singly(body), true), whole, name);
    assert.deepEqual(passage(cut(body, 'random', seeded(SEED)), true), whole, name);
  }
});

test('R36: a line of 1 MB flows on before its end, in at most two events’ worth of memory, and nothing of it is lost', () => {
  const body = withLongLine(recordingOf('openai/chat-gpt-3.5-turbo'));
  for (const how of ['whole', 'random', { bytes: 16_384 }, { bytes: 65_537 }] as const) {
    const cutter = new EventCutter();
    const blocks: Buffer[] = [];
    let unframed = false;
    let held = 0;
    for (const piece of cut(body, how, seeded(SEED))) {
      const block = cutter.push(piece);
      unframed ||= cutter.midEvent;
      held = block === null ? held + piece.length : 0;
      assert.ok(held <= EVENT_BYTES_MAX);
      if (block !== null) blocks.push(block);
    }
    assert.equal(cutter.rest(), null);
    assert.equal(unframed, how !== 'whole');
    assert.equal(cutter.midEvent, false);
    assert.ok(Buffer.concat(blocks).equals(body));
    const { complete, usage } = passage(cut(body, how, seeded(SEED)), false);
    assert.deepEqual([complete, usage?.source], [true, 'provider']);
  }
});

test('whatever bytes come in whatever pieces, all of them go on, and none before its event is whole', () => {
  const soup = fc.array(fc.constantFrom('\n', '\n', '\r\n', '\r', 'data: x', ':', ' ', '字', '\0'), { maxLength: 30 });
  const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(soup, sizes, (parts, steps) => {
      const bytes = Buffer.from(parts.join(''));
      const cutter = new EventCutter();
      const blocks: Buffer[] = [];
      for (let at = 0, step = 0; at < bytes.length; step++) {
        const end = at + steps[step % steps.length]!;
        const block = cutter.push(bytes.subarray(at, end));
        if (block !== null) {
          assert.ok(endsEvent(block));
          blocks.push(Buffer.from(block));
        }
        at = end;
      }
      const rest = cutter.rest() ?? Buffer.alloc(0);
      assert.ok(Buffer.concat([...blocks, rest]).equals(bytes));
      assert.ok(!/\n\r?\n/.test(rest.toString('latin1')));
    }),
    { numRuns: 2000 },
  );
});

function endsEvent(block: Buffer): boolean {
  return /\n\r?\n$/.test(block.toString('latin1', Math.max(0, block.length - 3)));
}
