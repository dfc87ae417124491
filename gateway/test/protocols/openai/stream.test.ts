import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readStream } from '../../../src/protocols/openai/stream.ts';

type Chunk = Readonly<Record<string, unknown>>;

const event = (chunk: unknown, gap = '\n\n') =>
  `data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}${gap}`;
const says = (content: string, more: Chunk = {}): Chunk => ({
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
  ...more,
});
const finish = (reason = 'stop', more: Chunk = {}): Chunk => ({
  choices: [{ index: 0, delta: {}, finish_reason: reason }],
  ...more,
});
const usage = (completion: number): Chunk => ({
  prompt_tokens: 3,
  completion_tokens: completion,
  total_tokens: 3 + completion,
});
const role: Chunk = { choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] };

/** What is read of events that come together, and what goes on of them. */
function reads(events: readonly string[], hideUsage = false) {
  const reading = readStream('chat', hideUsage);
  const passed = reading.take(Buffer.from(events.join(''))).toString();
  return { reading, passed };
}

/** The same, each event on its own; both ways must agree. */
function readsEither(events: readonly string[], hideUsage = false) {
  const together = reads(events, hideUsage);
  const reading = readStream('chat', hideUsage);
  const passed = events.map((each) => reading.take(Buffer.from(each)).toString()).join('');
  const { started, complete, error, deliveredTokens } = together.reading;
  assert.deepEqual(
    [reading.started, reading.complete, reading.error, reading.deliveredTokens],
    [started, complete, error, deliveredTokens],
  );
  assert.deepEqual(reading.usage, together.reading.usage);
  if (error === null) assert.equal(passed, together.passed);
  return {
    ...together.reading,
    started,
    complete,
    error,
    deliveredTokens,
    usage: reading.usage,
    passed: together.passed,
  };
}

test('usage in every chunk: the last report counts, not the sum', () => {
  const { usage: read } = readsEither([1, 2, 3, 4].map((count) => event(says('x', { usage: usage(count) }))));
  assert.deepEqual([read?.inputTokens, read?.outputTokens], [3, 4]);
});

test('a usage of null says nothing, and takes nothing back', () => {
  assert.equal(readsEither([event(says('x', { usage: null })), event(finish('stop', { usage: null }))]).usage, null);
  assert.equal(
    readsEither([event(says('x', { usage: usage(7) })), event(says('y', { usage: null }))]).usage?.outputTokens,
    7,
  );
});

test('usage is found at the top, in choices[0] and in x_groq, before and behind content, in every spacing', () => {
  const inChoice = { choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: usage(5) }] };
  for (const chunk of [
    { choices: [], usage: usage(5) },
    inChoice,
    finish('stop', { x_groq: { id: 'r', usage: usage(5) } }),
  ]) {
    for (const text of [
      event(chunk),
      event(JSON.stringify(chunk).replaceAll(':', ': ')),
      event(JSON.stringify(chunk, null, 1).replaceAll('\n', '\ndata: ')),
    ]) {
      assert.equal(readsEither([text]).usage?.outputTokens, 5, text);
      assert.equal(readsEither([event(says('x')), text, event('[DONE]')]).usage?.outputTokens, 5, text);
    }
  }
});

test('R10: what is hidden is the chunk that only reports usage, and nothing else', () => {
  const only = event({ choices: [], usage: usage(5) });
  const others = [
    event({ choices: [], prompt_filter_results: [] }),
    event(says('a', { usage: usage(1) })),
    event({ choices: [], usage: null }),
    ': comment\n\n',
    event(finish('stop', { usage: usage(5), x_groq: { usage: usage(5) } })),
  ];
  const { passed, usage: read } = readsEither([...others, only, event('[DONE]')], true);
  assert.equal(passed, [...others, event('[DONE]')].join(''));
  assert.equal(read?.outputTokens, 5);
  assert.equal(readsEither([only], true).passed, '');
  assert.equal(readsEither([only, ...others], true).passed, others.join(''));
  assert.equal(readsEither([...others, only]).passed, [...others, only].join(''));
});

test('a stream starts with its first content: text, reasoning, a tool call, a refusal, a finish reason; a role is none', () => {
  const deltas = [
    { content: 'x' },
    { reasoning: 'x' },
    { reasoning_content: 'x' },
    { refusal: 'x' },
    { tool_calls: [{ index: 0, function: { name: 'f' } }] },
  ];
  for (const delta of deltas) {
    assert.ok(readsEither([event(role), event({ choices: [{ index: 0, delta }] })]).started, JSON.stringify(delta));
  }
  assert.ok(readsEither([event({ choices: [{ index: 0, text: 'x' }] })]).started);
  assert.ok(readsEither([event(finish('length'))]).started);
  for (const quiet of [
    [event(role)],
    [': ping\n\n'],
    [event({ choices: [] })],
    [event({ choices: [{ index: 0, text: '' }] })],
    [event(says('', { usage: usage(0) }))],
  ]) {
    assert.ok(!readsEither(quiet).started, quiet[0]);
  }
});

test('a stream is complete with a finish reason or [DONE], however they are written', () => {
  const done = [
    'data: [DONE]\n\n',
    'data:[DONE]\n\n',
    'data: [DONE]\r\n\r\n',
    ': last\ndata: [DONE]\n\n',
    'data: [DONE]',
    'event: done\ndata: [DONE]\n\n',
  ];
  for (const last of done) assert.ok(readsEither([event(says('x')), event(says('y')), last]).complete, last);
  assert.ok(readsEither([event(says('x')), event(finish('tool_calls'))]).complete);
  assert.ok(!readsEither([event(role), event(says('x')), event(says('y'))]).complete);
});

test('content that looks like the wire decides nothing', () => {
  const wire = [
    'data: [DONE]\n\n',
    '"finish_reason":"stop"',
    '"usage":{"prompt_tokens":1}',
    '"error":{"message":"no"}',
    '\n\ndata: {"error":"no"}\n\n',
  ];
  for (const text of wire) {
    const {
      complete,
      error,
      usage: read,
    } = readsEither([event(says('x')), event(says(text)), event(says(`{${text}}`))]);
    assert.deepEqual([complete, error, read], [false, null, null], text);
  }
});

test('R38: an error is seen wherever it stands, and nothing behind it is passed on', () => {
  const error = { message: 'Überlast 過負荷', code: 502 };
  const frames = [
    event({ error }),
    event({
      id: 'gen-1',
      object: 'chat.completion.chunk',
      error,
      choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }],
    }),
    `event: error\n${event({ error })}`,
    `event: error\n${event(error)}`,
    `: comment\n${event({ error })}`,
    event(JSON.stringify({ id: 1, error }).replaceAll(':', ': ')),
    event({ error: error.message }),
  ];
  for (const frame of frames) {
    for (const before of [[], [event(says('a'))], [event(says('a')), event(says('b'))]]) {
      const { reading, passed } = reads([...before, frame, event(says('late')), event('[DONE]')]);
      assert.equal(reading.error, error.message, frame);
      assert.equal(passed, [...before, frame].join(''));
    }
  }
  const withUsage = event({ error, choices: [], usage: usage(3) });
  assert.equal(reads([event(says('a')), withUsage], true).passed, event(says('a')) + withUsage, 'it is never hidden');
  for (const frame of [
    event(says('x', { error: null })),
    event(says('x', { error: false })),
    event(says('x', { error: '' })),
  ]) {
    assert.equal(readsEither([event(says('a')), frame]).error, null, frame);
  }
});

test('line ends of both kinds in one stream keep its events apart', () => {
  const events = [
    event(says('a')),
    event(says('b'), '\r\n\r\n'),
    ': ping\n\n',
    event({ choices: [], usage: usage(9) }, '\r\n\r\n'),
    event(finish(), '\n\r\n'),
    event('[DONE]', '\r\n\n'),
  ];
  const { passed, usage: read, complete } = readsEither(events, true);
  assert.equal(passed, events.toSpliced(3, 1).join(''));
  assert.deepEqual([read?.outputTokens, complete], [9, true]);
});

test('a byte order mark before the first event does not hide what it says', () => {
  assert.ok(readsEither([`\ufeff${event(says('x'))}`]).started);
  assert.equal(readsEither([`\ufeff${event({ error: { message: 'no' } })}`]).error, 'no');
});

test('without a report, delivered tokens are at least the events with content, and grow with their text', () => {
  const words = Array.from({ length: 40 }, (_, index) => event(says(`word${index % 10} `)));
  assert.equal(readsEither([event(role), ...words]).deliveredTokens, 40 * Math.ceil('word0 '.length / 4) - 20);
  assert.ok(readsEither([event(says('a')), event(says('x'.repeat(4000)))]).deliveredTokens >= 1000);
  assert.equal(readsEither([event(role), ': ping\n\n']).deliveredTokens, 0);
});

test('no provider can make it throw, and what is not an error passes byte for byte', () => {
  const odd = fc.oneof(fc.jsonValue(), fc.constantFrom(null, 0, '', [], {}, [null], [[]], { usage: null }));
  const chunk = fc.record({ choices: odd, usage: odd, x_groq: odd, delta: odd }, { requiredKeys: [] });
  const choices = fc.record({
    choices: fc.array(
      fc.oneof(odd, fc.record({ delta: odd, text: odd, finish_reason: odd, usage: odd }, { requiredKeys: [] })),
    ),
  });
  const payload = fc.oneof(
    chunk.map((each) => JSON.stringify(each)),
    choices.map((each) => JSON.stringify(each)),
    odd.map((each) => JSON.stringify(each)),
    fc.constantFrom('{', '[DONE]', '{"choices":[', ''),
  );
  const gap = fc.constantFrom('\n\n', '\r\n\r\n', '\n\r\n', '\n');
  fc.assert(
    fc.property(fc.array(fc.tuple(payload, gap), { maxLength: 6 }), (parts) => {
      const text = parts.map(([data, end]) => `data: ${data}${end}`).join('');
      const { reading, passed } = reads([text]);
      if (reading.error === null) assert.equal(passed, text);
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(
      odd,
      (error) => void reads([event(JSON.stringify({ error })), `event: error\n${event(JSON.stringify(error))}`]),
    ),
  );
});
