/** Where Headgate answers differently from the provider on purpose, and what the official SDK for Node makes of it. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { cut } from '../../src/provider/cut.ts';
import type { Recording } from '../../src/provider/recording.ts';
import { seeded } from '../../src/provider/seeded.ts';
import { TEST_KEY } from '../fakes/gateway.ts';
import { clientOf, type Outcome, outcomeOf } from './outcome.ts';
import { operationOf, type Pair, RECORDINGS, recordingOf, requestOf, SEED, STREAMS, startPair } from './recorded.ts';

let pair: Pair;
before(async () => {
  pair = await startPair(RECORDINGS);
});
after(() => pair[Symbol.asyncDispose]());
afterEach(() => {
  pair.behaviour = {};
});

const failed = RECORDINGS.filter(({ status }) => status !== 200);

/** The recorded call through Headgate. */
function through(recording: Recording): Promise<Outcome> {
  const client = clientOf(`${pair.gateway.dataUrl}/v1`, TEST_KEY);
  return outcomeOf(client, operationOf(recording), { ...requestOf(recording), model: pair.alias(recording) });
}

function direct(recording: Recording): Promise<Outcome> {
  const client = clientOf(`${pair.provider.url}/v1`, 'sk-provider');
  return outcomeOf(client, operationOf(recording), { ...requestOf(recording), model: recording.name });
}

/** A refusal of Headgate's own, as the SDK throws it. */
function assertRefused({ chunks, value, error }: Outcome, status: number, code: string): void {
  assert.deepEqual([chunks, value], [[], null]);
  assert.deepEqual([error?.class, error?.status, error?.code], ['InternalServerError', status, code]);
  const body = error?.body as { message: string; headgate: { source: string; requestId: string } };
  assert.equal(error?.message, `${status} ${body.message}`);
  assert.equal(body.headgate.source, 'upstream');
  assert.match(body.headgate.requestId, /^req_/);
}

for (const recording of failed.filter(({ status }) => status === 401)) {
  test(`R30: the provider's ${recording.status} of ${recording.name} is a 502 upstream_auth, for the caller's key is fine`, async () => {
    const outcome = await through(recording);
    assertRefused(outcome, 502, 'upstream_auth');
    assert.ok(!JSON.stringify(outcome).includes(recording.body.toString()));
  });
}

// biome-ignore format: R30's table
const BECOMES: readonly (readonly [number, number, string])[] = [
  [401, 502, 'upstream_auth'], [402, 502, 'upstream_auth'], [403, 502, 'upstream_auth'],
  [408, 504, 'timeout_headers'], [504, 504, 'timeout_headers'],
  [500, 502, 'upstream_error'], [502, 502, 'upstream_error'], [501, 502, 'upstream_error'],
  [503, 503, 'upstream_unavailable'], [529, 503, 'upstream_unavailable'],
];
for (const [status, becomes, code] of BECOMES) {
  test(`R30: a provider's ${status} is thrown as ${becomes} ${code}, whatever its body`, async () => {
    for (const recording of failed) {
      pair.behaviour = { replay: { ...recording, status } };
      assertRefused(await through(recording), becomes, code);
    }
  });
}

for (const status of [400, 404, 409, 413, 422, 429]) {
  test(`R30: a provider's ${status} is thrown as it is, whatever its body`, async () => {
    for (const recording of failed) {
      pair.behaviour = { replay: { ...recording, status } };
      const expected = await direct(recording);
      assert.equal(expected.error?.status, status);
      assert.deepEqual(await through(recording), expected, recording.name);
    }
  });
}

/** The stream up to `upTo`, which comes before anything that says that it is complete. */
function unfinished(recording: Recording, upTo: (events: readonly Buffer[]) => Buffer): Recording {
  const events = cut(recording.body, 'event', seeded(SEED));
  const end = events.findIndex((event) => /"finish_reason": ?"|\[DONE\]/.test(event.toString('latin1')));
  return { ...recording, body: upTo(events.slice(0, end)) };
}

const finishing = STREAMS.filter(({ body }) => /"finish_reason": ?"/.test(body.toString('latin1')));

test('every recorded stream but one says why it finished', () => {
  const others = STREAMS.filter((recording) => !finishing.includes(recording)).map(({ name }) => name);
  assert.deepEqual(others, ['groq/chat-openai-gpt-oss-120b']);
});

const content = /"(?:content|reasoning|reasoning_content|arguments|name)": ?"[^"]/;

for (const recording of finishing) {
  const partial = unfinished(recording, (events) => Buffer.concat(events));
  // What has no content yet is no stream yet: it becomes a 502, and another target can still be tried.
  const started = content.test(partial.body.toString('latin1'));

  test(`R8: ${recording.name} that ends before it finished is an error for openai (npm), at an event and inside one`, async () => {
    const half = unfinished(recording, (events) => Buffer.concat([...events, Buffer.from('data: {"id":"half')]));
    for (const stream of [partial, half]) {
      pair.behaviour = { replay: stream };
      const outcome = await through(recording);
      if (!started) {
        assertRefused(outcome, 502, 'upstream_truncated');
        continue;
      }
      const { chunks, error } = outcome;
      pair.behaviour = { replay: partial };
      assert.deepEqual(chunks, (await direct(recording)).chunks);
      assert.deepEqual([error?.class, error?.code], ['APIError', 'upstream_truncated']);
    }
  });

  test(`R8: ${recording.name} without [DONE] is complete for openai (npm)`, async () => {
    const whole = await direct(recording);
    pair.behaviour = { faults: [{ kind: 'no-done' }] };
    assert.deepEqual(await through(recording), whole);
  });
}

test('R10: a caller who did not ask for usage sees each stream without the one chunk that only reports usage', async () => {
  const reporting = finishing.filter(({ requestBody, body }) => {
    return (
      JSON.stringify(requestBody).includes('include_usage') &&
      body.includes('"choices":[],') &&
      body.includes('"usage":{')
    );
  });
  assert.ok(reporting.length >= 6, `${reporting.length}`);
  for (const recording of reporting) {
    const { stream_options: _, ...body } = requestOf(recording);
    const asked = await direct(recording);
    const client = clientOf(`${pair.gateway.dataUrl}/v1`, TEST_KEY);
    const seen = await outcomeOf(client, 'chat', { ...body, model: pair.alias(recording) });
    const expected = asked.chunks.filter((chunk) => {
      const { choices, usage } = chunk as { choices: unknown[]; usage?: object | null };
      return !(choices.length === 0 && usage);
    });
    assert.equal(expected.length, asked.chunks.length - 1, recording.name);
    assert.deepEqual(seen, { ...asked, chunks: expected }, recording.name);
  }
});

test('openai (npm) lists the models that its key may call, and finds each by its name', async () => {
  const client = clientOf(`${pair.gateway.dataUrl}/v1`, TEST_KEY);
  const ids: string[] = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, RECORDINGS.map(pair.alias));
  assert.equal((await client.models.retrieve(ids[0]!)).id, ids[0]);
  await assert.rejects(client.models.retrieve('nobody-knows'), { status: 404, code: 'model_not_found' });
});

test('a stream that carries an error is an error after the same chunks', async () => {
  const recording = recordingOf('groq/chat-openai-gpt-oss-120b');
  const { chunks, error } = await through(recording);
  assert.equal(chunks.length, (await direct(recording)).chunks.length);
  assert.deepEqual([error?.class, error?.code], ['APIError', 'tool_use_failed']);
});
