import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyCheck } from '../../bench/body-check.ts';
import { HttpReader } from '../../bench/http-reader.ts';
import { expectedBody, streamEvents } from '../../bench/traffic.ts';
import { Verdict } from '../../bench/verdict.ts';

const STREAM = expectedBody({ model: 'sse-20-0', promptBytes: 100, stream: { events: 20, paceMs: 0 } });

/** The bytes cut into parts at these places (taken modulo the length). */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % bytes.length).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index]!, end));
}

const places = fc.array(fc.nat(), { maxLength: 30 });

function passes(parts: readonly Buffer[]): boolean {
  const check = new BodyCheck(STREAM);
  check.begin();
  for (const part of parts) check.take(part);
  return check.passed();
}

/** Everything an HttpReader says about these parts, bodies joined. */
function read(parts: readonly Buffer[]): { head: string; body: string }[] {
  const messages: { head: string; body: string }[] = [];
  let current = { head: '', body: Buffer.alloc(0) };
  const reader = new HttpReader({
    head: (text) => {
      current = { head: text, body: Buffer.alloc(0) };
    },
    body: (part) => {
      current.body = Buffer.concat([current.body, part]);
    },
    end: () => messages.push({ head: current.head, body: current.body.toString() }),
  });
  for (const part of parts) reader.take(part);
  return messages;
}

test('a stream passes at every cut', () => {
  fc.assert(fc.property(places, (at) => passes(cut(STREAM, at))));
});

test('a stream with one byte changed, missing or too many never passes', () => {
  fc.assert(
    fc.property(fc.nat({ max: STREAM.length - 1 }), fc.integer({ min: 1, max: 255 }), places, (index, change, at) => {
      const changed = Buffer.from(STREAM);
      changed[index]! ^= change;
      const missing = Buffer.concat([STREAM.subarray(0, index), STREAM.subarray(index + 1)]);
      const extra = Buffer.concat([STREAM.subarray(0, index), Buffer.from([change]), STREAM.subarray(index)]);
      for (const wrong of [changed, missing, extra]) assert.equal(passes(cut(wrong, at)), false);
    }),
  );
});

test('a stream with an event dropped, repeated or moved does not pass', () => {
  const events = streamEvents(20, false);
  assert.equal(passes(events), true);
  assert.equal(passes(events.toSpliced(4, 1)), false);
  assert.equal(passes(events.toSpliced(4, 0, events[4]!)), false);
  assert.equal(passes([...events.slice(0, 4), events[5]!, events[4]!, ...events.slice(6)]), false);
  assert.equal(passes(streamEvents(20, true)), false, 'usage that the caller did not ask for');
});

test('a wrong status and a wrong body are told apart', () => {
  const verdict = new Verdict({ kind: 'same-bytes', body: STREAM });
  const judge = (status: number, body: Buffer) => {
    verdict.begin();
    verdict.take(body);
    return verdict.fault(status);
  };
  assert.equal(judge(200, STREAM), null);
  assert.equal(judge(500, STREAM)?.mismatch, false);
  assert.equal(judge(200, Buffer.from('data: [DONE]\n\n'))?.mismatch, true);
  assert.equal(judge(200, STREAM), null, 'an earlier fault is not held against a later answer');
});

test('a refusal is judged by its status and its code', () => {
  const verdict = new Verdict({ kind: 'refusal', status: 429, containing: 'rate_limit_exceeded' });
  const judge = (status: number, body: string) => {
    verdict.begin();
    verdict.take(Buffer.from(body));
    return verdict.fault(status);
  };
  assert.equal(judge(429, '{"error":{"code":"rate_limit_exceeded"}}'), null);
  assert.equal(judge(429, '{"error":{"code":"other"}}')?.mismatch, true);
  assert.equal(judge(200, '{}')?.mismatch, false);
});

test('messages are read the same at every cut, sized, chunked and empty', () => {
  const wire = Buffer.from(
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' +
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1a;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n' +
      'HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n' +
      'POST / HTTP/1.1\r\nhost: x\r\n\r\n',
  );
  const expected = [
    { head: 'HTTP/1.1 200 OK\r\nContent-Length: 5', body: 'hello' },
    { head: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked', body: 'helloabcdefghijklmnopqrstuvwxyz' },
    { head: 'HTTP/1.1 401 Unauthorized\r\ncontent-length: 0', body: '' },
    { head: 'POST / HTTP/1.1\r\nhost: x', body: '' },
  ];
  assert.deepEqual(read(Array.from(wire, (_, index) => wire.subarray(index, index + 1))), expected);
  fc.assert(fc.property(places, (at) => assert.deepEqual(read(cut(wire, at)), expected)));
});

test('broken chunked framing is an error, not a short body', () => {
  const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
  assert.throws(() => read([Buffer.from(`${head}zz\r\n`)]), /not a chunk size/);
  assert.throws(() => read([Buffer.from(`${head}2\r\nabcd\r\n`)]), /unexpected after a chunk/);
});
