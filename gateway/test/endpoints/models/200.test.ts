import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleCall } from '../../fakes/sample-calls.ts';
import { assertAnswerHeaders, endpointOf, OF_A_CALLER, startEndpointStand } from '../contract.ts';

test('models 200: the models of the key, and nothing is taken from its limits', async () => {
  await using stand = await startEndpointStand();
  const received = await stand.ask(sampleCall(endpointOf('models')));
  assert.equal(received.status, 200);
  assertAnswerHeaders(received, OF_A_CALLER);
  assert.equal(received.headers['content-type'], 'application/json; charset=utf-8');
  assert.deepEqual(JSON.parse(received.text), {
    object: 'list',
    data: [{ id: 'm', object: 'model', created: 0, owned_by: 'headgate' }],
  });
  assert.equal((await stand.ask()).headers['x-ratelimit-remaining-requests'], '1');
});
