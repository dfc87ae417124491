/** What the ledger holds of each recorded call is what the provider reported, and an estimate, marked so, where it did not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEST_KEY } from '../fakes/gateway.ts';
import { send } from '../fakes/http-client.ts';
import { pathOf, RECORDINGS, recorded, requestOf, startPair } from './recorded.ts';

test('R10, R48: the ledger has the usage of every recorded answer, whether its caller asked for usage or not', async () => {
  await using pair = await startPair(RECORDINGS);
  for (const recording of RECORDINGS.filter(({ status }) => status === 200)) {
    const { stream_options: _, ...silent } = requestOf(recording);
    for (const body of [requestOf(recording), silent]) {
      const headers = { authorization: `Bearer ${TEST_KEY}` };
      const path = `/v1${pathOf(recording)}`;
      await send({ url: pair.gateway.dataUrl, path, headers, body: { ...body, model: pair.alias(recording) } });
      const [record] = await recorded(pair, 1);
      const { usage, attempts } = record!;
      const sum =
        usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens + usage.outputTokens + usage.reasoningTokens;
      assert.deepEqual(
        attempts.map((attempt) => attempt.usage),
        [usage],
        recording.name,
      );
      if (recording.usage === null) {
        assert.equal(usage.source, 'estimated', recording.name);
        assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0, recording.name);
      } else {
        assert.deepEqual([usage.source, sum], ['provider', recording.usage['total_tokens']], recording.name);
      }
    }
  }
});
