/** The official SDK for Node sees through Headgate what it sees from the provider. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Recording } from '../../src/provider/recording.ts';
import { TEST_KEY } from '../fakes/gateway.ts';
import { clientOf, finalOf, outcomeOf } from './outcome.ts';
import { operationOf, type Pair, RECORDINGS, requestOf, STREAMS, startPair } from './recorded.ts';

let pair: Pair;
before(async () => {
  pair = await startPair(RECORDINGS);
});
after(() => pair[Symbol.asyncDispose]());

const direct = () => clientOf(`${pair.provider.url}/v1`, 'sk-provider');
const through = () => clientOf(`${pair.gateway.dataUrl}/v1`, TEST_KEY);

/** The recorded call, made to the provider and through Headgate. */
async function bothWays(recording: Recording, change: object = {}) {
  const operation = operationOf(recording);
  const body = { ...requestOf(recording), ...change };
  const name = recording.name;
  return {
    direct: await outcomeOf(direct(), operation, { ...body, model: name }),
    through: await outcomeOf(through(), operation, { ...body, model: pair.alias(recording) }),
  };
}

const isAuth = ({ status }: Recording) => status === 401 || status === 402 || status === 403;

for (const recording of RECORDINGS.filter((each) => !isAuth(each))) {
  test(`R22: openai (npm) sees ${recording.name} through Headgate as it is`, async () => {
    const seen = await bothWays(recording);
    assert.deepEqual(seen.through, seen.direct);
    const { chunks, value, error } = seen.direct;
    assert.ok(chunks.length > 0 || value !== null || error !== null);
    assert.equal(error !== null, recording.status !== 200 || recording.name === 'groq/chat-openai-gpt-oss-120b');
  });
}

for (const recording of STREAMS) {
  test(`openai (npm) puts the same completion together from ${recording.name}`, async () => {
    const body = requestOf(recording);
    const expected = await finalOf(direct(), { ...body, model: recording.name });
    assert.deepEqual(await finalOf(through(), { ...body, model: pair.alias(recording) }), expected);
  });
}
