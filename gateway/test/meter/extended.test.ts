/** Streams that extend their reservation, at a store that answers when the test says so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extended } from '../../src/meter/extended.ts';
import { exactly } from '../../src/policy/demand.ts';
import { MemoryLimitStore } from '../../src/stores/memory/index.ts';
import { FakeSource, output, outputLimit, STEP, startStream } from '../fakes/extended-stream.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';
import { callOf } from '../protocols/openai/calls.ts';

test('a call whose whole output is reserved is passed on as it is', () => {
  const source = new FakeSource();
  const coverage = {
    id: 'r',
    call: callOf('{"model":"m"}'),
    coveredTokens: Number.POSITIVE_INFINITY,
    states: [],
    held: [],
  };
  assert.equal(extended(source, coverage, new MemoryLimitStore(new VirtualClock())), source);
});

test('more is asked for when four fifths are delivered, a step at a time, and one at a time', async () => {
  const { source, asked } = startStream({});
  source.come(7);
  assert.equal(asked.length, 0);
  source.come(1);
  source.come(1);
  assert.deepEqual([asked.length, asked[0]!.step, asked[0]!.tokens], [1, 1, STEP]);
  await asked[0]!.answer();
  source.come(6);
  assert.equal(asked.length, 1);
  source.come(1);
  assert.deepEqual([asked.length, asked[1]!.step, asked[1]!.tokens], [2, 2, STEP]);
  assert.deepEqual(source.said, []);
});

test('under a hard limit the provider is not read further than what is covered until the store has answered', async () => {
  const at = startStream({});
  at.source.come(9);
  assert.deepEqual(at.source.said, []);
  at.source.come(1);
  assert.deepEqual(at.source.said, ['pause']);
  at.source.come(3);
  assert.deepEqual(at.source.said, ['pause'], 'what was on its way already is passed on');
  await at.asked[0]!.answer();
  assert.deepEqual(at.source.said, ['pause', 'resume']);
  assert.equal(at.text, '9 1 3 ');
});

test('a piece of more than a step is asked for together with the next step', () => {
  const { source, asked } = startStream({});
  source.come(25);
  assert.equal(asked[0]!.tokens, 15 + STEP);
});

test('soft limits never hold the provider back, and what they refuse is debt', async () => {
  const at = startStream({ amount: 12, overrun: 'soft' });
  at.source.come(15);
  assert.deepEqual(at.source.said, []);
  await at.asked[0]!.answer();
  at.source.come(500);
  at.source.end(null);
  assert.deepEqual(at.source.said, []);
  assert.equal(at.asked.length, 1);
  assert.deepEqual(at.over, [null]);
});

for (const atOnce of [true, false]) {
  test(`a hard limit gives what is left to the last token, and then ends the stream, at a store that answers ${atOnce ? 'at once' : 'later'}`, async () => {
    const at = startStream({ amount: 23, atOnce });
    let answered = 0;
    while (at.over.length === 0 && at.source.reading.deliveredTokens < 40) {
      at.source.come(1);
      if (!atOnce) while (answered < at.asked.length) await at.asked[answered++]!.answer();
    }
    assert.equal(at.source.reading.deliveredTokens, 23);
    assert.deepEqual(at.over, ['output_limit_reached']);
    assert.equal(at.source.said.at(-1), 'output_limit_reached');
    // A step, a step refused, the rest, nothing left; and once more at the end.
    assert.deepEqual(
      at.asked.map(({ tokens }) => tokens),
      [10, 10, 3, 10, 10],
    );
    const [state] = at.memory.read([outputLimit(23, 'hard')]);
    assert.equal(state!.reserved, 23);
  });
}

test('a refused stream goes on when others gave back in time', async () => {
  const at = startStream({ amount: 15, atOnce: true });
  at.memory.reserve('other', [outputLimit(15, 'hard')], exactly(output(5)));
  at.source.come(8);
  at.memory.settle('other', output(0));
  at.source.come(2);
  assert.deepEqual(at.over, []);
  at.source.come(5);
  assert.deepEqual(at.over, ['output_limit_reached']);
});

test('what had been read before the stream flowed is passed on whole before the limit ends it', () => {
  const at = startStream({ amount: 10, atOnce: true, held: 12 });
  assert.equal(at.text, 'held '.repeat(12));
  assert.deepEqual(at.over, ['output_limit_reached']);
});

test('a caller that reads slowly and a store that is slow each hold the provider back on their own account', async () => {
  const at = startStream({});
  at.source.come(10);
  at.stream.pause();
  await at.asked[0]!.answer();
  assert.deepEqual(at.source.said, ['pause', 'pause'], 'the caller still holds it');
  at.stream.resume();
  assert.deepEqual(at.source.said, ['pause', 'pause', 'resume']);

  at.source.come(10);
  at.stream.pause();
  at.stream.resume();
  assert.deepEqual(at.source.said.slice(3), ['pause', 'pause'], 'the store still holds it');
  await at.asked[1]!.answer();
  assert.deepEqual(at.source.said.slice(5), ['resume']);
});

for (const how of ['holds nothing', 'fails'] as const) {
  test(`when the store ${how} the stream goes on, and nothing more is asked for`, async () => {
    const at = startStream({});
    at.source.come(10);
    await (how === 'fails' ? at.asked[0]!.fail() : at.asked[0]!.answerWith(null));
    assert.deepEqual(at.source.said, ['pause', 'resume']);
    at.source.come(100);
    assert.equal(at.asked.length, 1);
    assert.deepEqual(at.over, []);
  });
}

test('an answer that comes after the stream is over changes nothing', async () => {
  const at = startStream({ amount: 10 });
  at.source.come(10);
  at.source.end(null);
  await at.asked[0]!.answer();
  assert.deepEqual(at.source.said, ['pause']);
  assert.deepEqual(at.over, [null]);
});

test('no more is asked for than the call may produce, nor once it is complete', () => {
  const capped = startStream({ atOnce: true, cap: 13 });
  for (let token = 0; token < 13; token++) capped.source.come(1);
  assert.deepEqual(
    capped.asked.map(({ tokens }) => tokens),
    [3],
  );
  const complete = startStream({ atOnce: true });
  complete.source.reading.complete = true;
  complete.source.come(50);
  assert.equal(complete.asked.length, 0);
});
