import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputOf, outputOf } from '../../src/policy/usage.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import { contentEvents, dataOf, type Scene, setScene } from '../fakes/scene.ts';
import { until } from '../fakes/until.ts';

const MAX_TOKENS = 40;
/** Nano-dollars per token, as plainConfig prices them. */
const [INPUT_PRICE, OUTPUT_PRICE] = [1000, 2000];

/** A stream that has sent the role, `tokens` tokens and, where asked, its finish reason, and then nothing more. */
const stalledAfter = (tokens: number, finished = false): Behaviour => ({
  tokens: finished ? tokens : tokens + 10,
  faults: [{ kind: 'stall', after: { events: 1 + tokens + (finished ? 1 : 0) } }],
});

/** Calls, leaves once `leave` holds, and answers the one row that is left of it, with what the caller had got. */
async function abandoned(scene: Scene, leave: (text: () => number) => boolean) {
  const call = scene.call({ body: { max_tokens: MAX_TOKENS } });
  await until('the moment to leave', () => leave(() => call.bytesReceived));
  call.abort();
  const received = await call.done;
  const record = await scene.record();
  assert.equal(record.outcome, 'client_closed');
  assert.equal(record.attempts.length, 1);
  assert.equal(record.attempts[0]!.outcome, 'client_closed');
  assert.deepEqual(record.attempts[0]!.usage, record.usage);
  await scene.settled();
  return { record, delivered: contentEvents(received.text) };
}

test('R3 (a): a caller that leaves before the upstream headers costs nothing', async () => {
  await using scene = await setScene({ targets: [{ faults: [{ kind: 'silent' }] }] });
  const [provider] = scene.providers;
  const { record } = await abandoned(scene, () => provider!.requests.length === 1);
  assert.equal(record.status, 499);
  assert.equal(record.usage.source, 'none');
  assert.equal(record.cost, 0);
});

test('R3 (b): a caller that leaves between headers and first token pays for its prompt, marked as an estimate', async () => {
  await using scene = await setScene({ targets: [{ faults: [{ kind: 'first-token', ms: 60_000 }] }] });
  const [provider] = scene.providers;
  const { record } = await abandoned(scene, () => provider!.book.entries[0]?.status === 200);
  assert.equal(record.status, 499);
  assert.ok(['estimated', 'none'].includes(record.usage.source));
  assert.equal(outputOf(record.usage), 0);
  assert.equal(record.cost, inputOf(record.usage) * INPUT_PRICE);
});

test('R3 (c): a caller that leaves after k tokens pays for its prompt and those tokens, at most for its cap', async () => {
  for (const k of [1, 7, MAX_TOKENS - 1]) {
    await using scene = await setScene({ targets: [stalledAfter(k)] });
    const [provider] = scene.providers;
    const { record, delivered } = await abandoned(
      scene,
      (received) => provider!.book.entries[0]?.writtenTokens === k && received() > 200 * k,
    );
    assert.ok(delivered > 0 && delivered <= k);
    assert.equal(record.status, 200);
    assert.equal(record.usage.source, 'estimated');
    const output = outputOf(record.usage);
    assert.ok(output >= delivered && output <= MAX_TOKENS, `${output} for ${delivered} delivered of ${MAX_TOKENS}`);
    assert.ok(inputOf(record.usage) >= provider!.book.entries[0]!.promptTokens);
    assert.equal(record.cost, inputOf(record.usage) * INPUT_PRICE + output * OUTPUT_PRICE);
  }
});

test('R3 (d): a caller that leaves between the last token and the usage frame pays for every token, at most for its cap', async () => {
  for (const finished of [false, true]) {
    await using scene = await setScene({ targets: [stalledAfter(MAX_TOKENS, finished)] });
    const [provider] = scene.providers;
    const { record } = await abandoned(
      scene,
      (received) => provider!.book.entries[0]?.writtenTokens === MAX_TOKENS && received() > 200 * MAX_TOKENS,
    );
    assert.equal(record.usage.source, 'estimated');
    assert.equal(outputOf(record.usage), MAX_TOKENS);
    assert.ok(record.cost! >= provider!.book.entries[0]!.promptTokens * INPUT_PRICE + MAX_TOKENS * OUTPUT_PRICE);
  }
});

test('R3: a caller that leaves once the whole answer and its usage came is a success, billed as the provider said', async () => {
  // The message is not over yet: clients close at `[DONE]` and do not wait for the end of the HTTP body.
  await using scene = await setScene({ targets: [{ tokens: 5, faults: [{ kind: 'stall', after: { events: 8 } }] }] });
  const call = scene.call({ body: { stream_options: { include_usage: true } } });
  const received = () => call.bytesReceived;
  await until(
    'the usage frame is here',
    () => scene.providers[0]!.book.entries[0]?.usageReported === true && received() > 1500,
  );
  call.abort();
  const record = await scene.record();
  assert.deepEqual([record.outcome, record.usage.source, outputOf(record.usage)], ['ok', 'provider', 5]);
  await scene.settled();
});

test('R3: the text of an error is no output: neither of an error answer nor of an error inside a stream', async () => {
  const body = { error: { message: 'sorry '.repeat(5000), type: 'server_error' } };
  await using refusing = await setScene({ targets: [{ faults: [{ kind: 'status', status: 500, body }] }] });
  await refusing.call().done;
  const refused = await refusing.record();
  assert.deepEqual([refused.usage.source, refused.cost], ['none', 0]);
  await refusing.settled();

  await using failing = await setScene({ targets: [{ faults: [{ kind: 'error', afterEvents: 4 }] }] });
  const { text } = await failing.call().done;
  const delivered = dataOf(text).map((data) => (data === '[DONE]' ? '' : (data.choices?.[0]?.delta.content ?? '')));
  const failed = await failing.record();
  // Four bytes of delivered text are a token, where the provider does not say.
  const tokens = Math.ceil(delivered.join('').length / 4);
  assert.deepEqual([failed.outcome, outputOf(failed.usage)], ['upstream_error_in_stream', tokens]);
  await failing.settled();
});

test('R3: a caller that leaves before its answer is whole pays for what came of a JSON answer, marked as an estimate', async () => {
  await using scene = await setScene({ targets: [{ faults: [{ kind: 'stall', after: { bytes: 300 } }] }] });
  const call = scene.call({ stream: false, body: { max_tokens: MAX_TOKENS } });
  const [provider] = scene.providers;
  await until('the provider has begun', () => provider!.book.entries[0]?.status === 200);
  call.abort();
  const record = await scene.record();
  assert.deepEqual([record.outcome, record.status], ['client_closed', 499]);
  assert.ok(['estimated', 'none'].includes(record.usage.source));
  assert.ok(outputOf(record.usage) <= MAX_TOKENS);
  await scene.settled();
});
