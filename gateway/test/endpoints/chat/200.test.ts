import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleCall } from '../../fakes/sample-calls.ts';
import { CHAT } from '../../fakes/stand.ts';
import { ADMITTED, assertAnswerHeaders, endpointOf, startEndpointStand } from '../contract.ts';

test("chat 200: the provider's answer as it is, with who answered, what is left and what it cost", async () => {
  await using stand = await startEndpointStand();
  const received = await stand.ask(sampleCall(endpointOf('chat')));
  assert.equal(received.status, 200);
  assertAnswerHeaders(received, [...ADMITTED, 'x-headgate-cost-usd']);
  const { headers } = received;
  assert.equal(headers['x-headgate-tier'], 'pro');
  assert.equal(headers['x-headgate-model'], 'm');
  assert.equal(headers['x-headgate-target'], 'p1/m');
  assert.equal(headers['x-headgate-attempts'], '1');
  assert.equal(headers['x-ratelimit-remaining-requests'], '1');
  const answer = JSON.parse(received.text);
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.choices[0].message.role, 'assistant');
  const { prompt_tokens: input, completion_tokens: output } = answer.usage;
  assert.equal(Number(headers['x-headgate-cost-usd']), (input + 2 * output) / 1e6);
});

test('chat 200: a stream of events that ends with [DONE], which nothing on the way may compress, keep or hold back', async () => {
  await using stand = await startEndpointStand();
  const received = await stand.ask({ body: { ...CHAT, stream: true } });
  assert.equal(received.status, 200);
  const streamed = received.rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
  assert.ok(!streamed.includes('content-length'));
  assert.equal(received.headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.equal(received.headers['x-accel-buffering'], 'no');
  assert.equal(received.headers['cache-control'], 'private, no-store');
  assert.equal(received.headers['x-headgate-target'], 'p1/m');
  const events = received.text.split('\n\n').slice(0, -1);
  assert.equal(events.at(-1), 'data: [DONE]');
  const [first] = events.map((event) => event.replace(/^data: /, ''));
  assert.equal(JSON.parse(first!).object, 'chat.completion.chunk');
});
