import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleCall } from '../../fakes/sample-calls.ts';
import { ADMITTED, assertAnswerHeaders, endpointOf, startEndpointStand } from '../contract.ts';

test("embedding 200: the provider's answer as it is; only input is counted", async () => {
  await using stand = await startEndpointStand();
  const received = await stand.ask(sampleCall(endpointOf('embedding')));
  assert.equal(received.status, 200);
  assertAnswerHeaders(received, [...ADMITTED, 'x-headgate-cost-usd']);
  const answer = JSON.parse(received.text);
  assert.equal(answer.object, 'list');
  assert.equal(answer.data[0].object, 'embedding');
  const [record] = await stand.gateway.ledger.recent(1);
  assert.equal(record!.usage.inputTokens, answer.usage.prompt_tokens);
  assert.equal(record!.usage.outputTokens, 0);
});
