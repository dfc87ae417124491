import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import { type Cut, cut } from '../../src/provider/cut.ts';
import { listRecordings, loadRecording, type Recording } from '../../src/provider/recording.ts';
import { seeded } from '../../src/provider/seeded.ts';
import { type SimulatedProvider, startProvider } from '../../src/provider/server.ts';
import { send } from '../fakes/http-client.ts';

const FOLDER = join(import.meta.dirname, '../recordings');
const RECORDINGS = listRecordings(FOLDER);
const LARGE_BYTES = 64 * 1024;
const SEED = 20261121;

let provider: SimulatedProvider;
let behaviour: Behaviour = {};

before(async () => {
  provider = await startProvider({ clock: systemClock, random: seeded(SEED), script: () => behaviour });
});
after(() => provider.close());

async function replayed(recording: Recording, how?: Cut) {
  behaviour = { replay: recording, ...(how === undefined ? {} : { cut: how }) };
  return send({ url: provider.url, path: '/v1/chat/completions', body: {} });
}

test('all 63 recordings are there, and stored bytes are those that were recorded', () => {
  assert.equal(RECORDINGS.length, 63);
  for (const recording of RECORDINGS) {
    const meta = JSON.parse(readFileSync(join(FOLDER, `${recording.name}.meta.json`), 'utf8'));
    const stored = readFileSync(join(FOLDER, recording.name, '..', meta.bodyFile));
    assert.equal(createHash('sha256').update(stored).digest('hex'), meta.sha256, recording.name);
  }
});

test('what an SDK recorded is framed as events with [DONE] at the end', () => {
  const { body, streamed, headers } = loadRecording(FOLDER, 'moonshot/sdk-chat-moonshotai-stream');
  assert.match(body.toString(), /^(data: \{.*\}\n\n)+data: \[DONE\]\n\n$/);
  assert.equal(streamed, true);
  assert.deepEqual(headers, ['content-type', 'text/event-stream']);
});

for (const how of [undefined, 'whole', 'event', 'random', 'utf8', 'crlf'] as const) {
  test(`every recording is replayed byte for byte, cut: ${how ?? 'as it is'}`, async () => {
    for (const recording of RECORDINGS) {
      const received = await replayed(recording, how);
      assert.deepEqual([received.status, received.closed], [recording.status, 'end'], recording.name);
      assert.ok(received.bytes.equals(recording.body), `${recording.name}, seed ${SEED}`);
    }
  });
}

test('every recording is replayed in pieces of one byte (of seven beyond 64 KiB), and each arrives on its own', async () => {
  for (const recording of RECORDINGS) {
    const how = { bytes: recording.body.length > LARGE_BYTES ? 7 : 1 };
    const received = await replayed(recording, how);
    assert.deepEqual(
      received.chunks.map(({ bytes }) => bytes.length),
      cut(recording.body, how, seeded(SEED)).map(({ length }) => length),
      recording.name,
    );
    assert.ok(received.bytes.equals(recording.body), recording.name);
  }
});

test('recorded headers are replayed in order, without those of the recorded connection', async () => {
  const ofTheConnection = new Set(['transfer-encoding', 'content-length', 'connection', 'keep-alive']);
  for (const recording of RECORDINGS) {
    const { rawHeaders } = await replayed(recording);
    const pairs = rawHeaders.flatMap((name, at) =>
      at % 2 === 0 && !ofTheConnection.has(name.toLowerCase()) ? [name, rawHeaders[at + 1]!] : [],
    );
    assert.deepEqual(pairs.slice(0, recording.headers.length), recording.headers, recording.name);
    assert.ok(!recording.headers.some((name) => ofTheConnection.has(name.toLowerCase()) && name !== 'keep-alive'));
  }
});

test('a model of the name of a recording is answered with it', async () => {
  const named = await startProvider({ clock: systemClock, recordings: RECORDINGS });
  try {
    const { body } = loadRecording(FOLDER, 'openai/chat-gpt-4.1');
    const received = await send({
      url: named.url,
      path: '/v1/chat/completions',
      body: { model: 'openai/chat-gpt-4.1' },
    });
    assert.ok(received.bytes.equals(body));
    const models = await send({ url: named.url, method: 'GET', path: '/v1/models' });
    assert.ok(models.text.includes('"openai/chat-gpt-4.1"'));
  } finally {
    await named.close();
  }
});

test('the book takes the usage of a recording from the recording', async () => {
  provider.book.reset();
  await replayed(loadRecording(FOLDER, 'openai/chat-gpt-3.5-turbo'), { bytes: 1 });
  const [entry] = provider.book.entries;
  assert.deepEqual(
    [entry!.promptTokens, entry!.generatedTokens, entry!.writtenTokens, entry!.usageReported],
    [14, 2, 2, true],
  );
});
