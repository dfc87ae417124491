/** Same-protocol traffic passes byte for byte, however the network cuts it: through real sockets. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { type Cut, cut } from '../../src/provider/cut.ts';
import type { Recording } from '../../src/provider/recording.ts';
import { seeded } from '../../src/provider/seeded.ts';
import { TEST_KEY } from '../fakes/gateway.ts';
import { send } from '../fakes/http-client.ts';
import { framingsOf, withLongLine } from './framings.ts';
import {
  type Pair,
  pathOf,
  RECORDINGS,
  recorded,
  recordingOf,
  requestOf,
  SEED,
  STREAMS,
  startPair,
} from './recorded.ts';

/** Larger bodies are cut into pieces of more than one byte: every offset of theirs is tried where it costs no socket. */
const LARGE_BYTES = 16 * 1024;
const CUTS: readonly (readonly [string, (recording: Recording) => Cut])[] = [
  ['whole', () => 'whole'],
  ['per event', () => 'event'],
  ['in single bytes', ({ body }) => ({ bytes: body.length > LARGE_BYTES ? 61 : 1 })],
  ['at random', () => 'random'],
  ['inside characters', () => 'utf8'],
  ['inside CRLF', () => 'crlf'],
];
const ANSWERS = RECORDINGS.filter(({ status }) => status === 200);

let pair: Pair;
before(async () => {
  pair = await startPair(RECORDINGS);
});
after(() => pair[Symbol.asyncDispose]());
afterEach(() => {
  pair.behaviour = {};
});

/** Usage is asked for, so that nothing has to be hidden. */
const asking = (recording: Recording) => ({
  ...requestOf(recording),
  ...(requestOf(recording)['stream'] === true ? { stream_options: { include_usage: true } } : {}),
});

function call(recording: Recording, body: object | string) {
  const headers = { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json' };
  return send({ url: pair.gateway.dataUrl, path: `/v1${pathOf(recording)}`, headers, body });
}

async function assertBytes(recording: Recording, body: object, expected: Buffer, what: string): Promise<void> {
  const received = await call(recording, { ...body, model: pair.alias(recording) });
  assert.deepEqual([received.status, received.closed], [200, 'end'], `${recording.name}, ${what}`);
  assert.ok(received.bytes.equals(expected), `${recording.name}, ${what}, seed ${SEED}`);
}

for (const [name, how] of CUTS) {
  test(`R22, R36: every recorded body that comes ${name} passes byte for byte`, async () => {
    for (const recording of ANSWERS) {
      pair.behaviour = { cut: how(recording) };
      await assertBytes(recording, asking(recording), recording.body, name);
    }
  });

  test(`R10, R22: usage that only Headgate asked for is all that a stream that comes ${name} lacks`, async () => {
    let hidden = 0;
    for (const recording of STREAMS) {
      pair.behaviour = { cut: how(recording) };
      const events = cut(recording.body, 'event', seeded(SEED));
      const kept = events.filter((event) => !onlyReportsUsage(event));
      hidden += events.length - kept.length;
      const { stream_options: _, ...body } = requestOf(recording);
      await assertBytes(recording, body, Buffer.concat(kept), name);
    }
    assert.ok(hidden > 0);
  });
}

function onlyReportsUsage(event: Buffer): boolean {
  const text = event.toString('utf8');
  if (!text.startsWith('data: {')) return false;
  const { choices, usage } = JSON.parse(text.slice('data: '.length)) as { choices?: unknown[]; usage?: object | null };
  return choices?.length === 0 && usage !== undefined && usage !== null;
}

for (const recording of [recordingOf('xai/chat-grok-code-fast-1-thinking'), recordingOf('perplexity/chat-sonar')]) {
  for (const [framing, body] of framingsOf(recording)) {
    test(`R36: ${recording.name} framed with ${framing} passes byte for byte at every cut, and its usage is counted`, async () => {
      for (const [name, how] of CUTS) {
        pair.behaviour = { replay: { ...recording, body }, cut: how(recording) };
        await assertBytes(recording, asking(recording), body, name);
      }
      for (const { outcome, usage } of await recorded(pair, CUTS.length)) {
        assert.deepEqual([outcome, usage.source], ['ok', 'provider']);
      }
    });
  }
}

test('R36: a stream with a line of 1 MB passes byte for byte at every cut', async () => {
  const recording = recordingOf('openai/chat-gpt-3.5-turbo');
  const body = withLongLine(recording);
  for (const how of ['whole', 'event', 'random', { bytes: 4093 }] as const) {
    pair.behaviour = { replay: { ...recording, body }, cut: how };
    await assertBytes(recording, asking(recording), body, JSON.stringify(how));
  }
});

test('R22: every recorded request reaches the provider byte for byte, but for the model and the usage asked for', async () => {
  for (const recording of RECORDINGS) {
    const alias = pair.alias(recording);
    const { stream_options: _, ...rest } = requestOf(recording);
    for (const body of [
      { ...rest, model: alias },
      { ...asking(recording), model: alias },
    ]) {
      // Odd spaces, and escapes where none are needed: whoever parses and writes it anew loses them.
      const sent = JSON.stringify(body, null, ' \t').replaceAll('é', '\\u00e9');
      await call(recording, sent);
      const injected =
        rest['stream'] === true && !('stream_options' in body) ? '{"stream_options":{"include_usage":true},' : '{';
      const expected = sent.replace(`"${alias}"`, `"${recording.name}"`).replace('{', injected);
      assert.ok(pair.provider.requests.at(-1)?.body.equals(Buffer.from(expected)), recording.name);
    }
  }
});
