import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleCall } from '../../fakes/sample-calls.ts';
import { ADMITTED, assertAnswerHeaders, endpointOf, startEndpointStand } from '../contract.ts';

test("completion 200: the provider's answer as it is", async () => {
  await using stand = await startEndpointStand();
  const received = await stand.ask(sampleCall(endpointOf('completion')));
  assert.equal(received.status, 200);
  assertAnswerHeaders(received, [...ADMITTED, 'x-headgate-cost-usd']);
  const answer = JSON.parse(received.text);
  assert.equal(answer.object, 'text_completion');
  assert.equal(answer.choices.length, 1);
  assert.equal(answer.usage.completion_tokens, 3);
});

test('completion 200: a stream of events that ends with [DONE]', async () => {
  await using stand = await startEndpointStand();
  const received = await stand.ask(sampleCall(endpointOf('completion'), 'm', { stream: true }));
  assert.equal(received.status, 200);
  assert.equal(received.headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.ok(received.text.endsWith('data: [DONE]\n\n'));
});
