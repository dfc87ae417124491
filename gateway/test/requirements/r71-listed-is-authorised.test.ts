/** R71: what a key is shown by GET /v1/models is what it may call: nothing more, nothing less. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { ENDPOINTS } from '../../src/endpoints.ts';
import { hashOf } from '../fakes/gateway.ts';
import { sampleCall } from '../fakes/sample-calls.ts';
import { errorOf, type Stand, startStand } from '../fakes/stand.ts';

const MODELS = ['chat-small', 'chat-large', 'meta/llama-4', 'org:ft-1@2026'];

/** What each key may call. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  everything: MODELS,
  'of-the-tier': ['chat-small', 'meta/llama-4'],
  'of-the-organization': ['meta/llama-4'],
  'of-the-key': ['chat-small'],
  'one-of-many': ['org:ft-1@2026'],
  nothing: [],
};

const key = (name: string, more = '') => `${name}: { hash: "${hashOf(`sk-${name}`)}"${more} }`;

const config = ([url]: readonly string[]) => `
providers: { p1: { protocol: openai, baseUrl: "${url}/v1", apiKey: sk-p } }
models:
${MODELS.map((name) => `  "${name}": { targets: [ { provider: p1, model: x } ] }`).join('\n')}
tiers:
  all: {}
  some: { models: [chat-small, meta/llama-4] }
organizations:
  free: { tier: all, keys: { ${key('everything')}, ${key('one-of-many', ', models: ["org:ft-1@2026"]')} } }
  bound: { tier: some, keys: { ${key('of-the-tier', ', models: ["*"]')}, ${key('of-the-key', ', models: [chat-small, chat-large]')}, ${key('nothing', ', models: []')} } }
  narrow: { tier: some, models: [meta/llama-4, chat-large], keys: { ${key('of-the-organization')} } }
`;

let stand: Stand;
before(async () => {
  stand = await startStand({ yaml: config });
});
after(() => stand[Symbol.asyncDispose]());

const client = (name: string) =>
  new OpenAI({ apiKey: `sk-${name}`, baseURL: `${stand.gateway.dataUrl}/v1`, maxRetries: 0 });

for (const [name, expected] of Object.entries(KEYS)) {
  test(`R71: the key '${name}' is shown exactly the models it may call, on every endpoint`, async () => {
    const listed: string[] = [];
    for await (const model of client(name).models.list()) listed.push(model.id);
    assert.deepEqual(listed.toSorted(), expected.toSorted());
    for (const endpoint of ENDPOINTS.filter(({ operation }) => operation !== 'models')) {
      const callable: string[] = [];
      for (const model of [...MODELS, 'no-such-model', 'CHAT-SMALL']) {
        const received = await stand.ask({ ...sampleCall(endpoint, model), key: `sk-${name}` });
        if (received.status === 200) callable.push(model);
        else assert.equal(received.status, MODELS.includes(model) ? 403 : 404);
      }
      assert.deepEqual(callable.toSorted(), listed.toSorted(), endpoint.path);
    }
  });
}

test('R71: a key that may call nothing is shown an empty list, not none', async () => {
  const received = await stand.ask({ method: 'GET', path: '/v1/models', key: 'sk-nothing' });
  assert.deepEqual(JSON.parse(received.text), { object: 'list', data: [] });
});

test('R71: one model is shown with its slashes escaped or not, and never another than the one asked for', async () => {
  const model = await client('everything').models.retrieve('meta/llama-4');
  assert.equal(model.id, 'meta/llama-4');
  const plain = await stand.ask({ method: 'GET', path: '/v1/models/meta/llama-4', key: 'sk-everything' });
  assert.deepEqual(JSON.parse(plain.text), { id: 'meta/llama-4', object: 'model', created: 0, owned_by: 'headgate' });
  for (const path of ['/v1/models/meta', '/v1/models/%', '/v1/models/chat-small/', '/v1/models/chat%2Dsmal']) {
    assert.equal((await stand.ask({ method: 'GET', path, key: 'sk-everything' })).status, 404, path);
  }
});

test('R71: a misspelt model is suggested only from those that the key may call', async () => {
  const suggest = async (name: string) =>
    errorOf(await stand.ask({ body: { model: 'chat-larg', messages: [] }, key: `sk-${name}` })).message;
  assert.match(await suggest('everything'), /Did you mean 'chat-large'\?/);
  assert.doesNotMatch(await suggest('of-the-tier'), /chat-large/);
  assert.doesNotMatch(await suggest('nothing'), /mean/);
});

test('R71: a reload changes list and right together', async () => {
  await using other = await startStand({ yaml: config });
  const listed = async () => {
    const { text } = await other.ask({ method: 'GET', path: '/v1/models', key: 'sk-everything' });
    return (JSON.parse(text) as { data: { id: string }[] }).data.map(({ id }) => id);
  };
  assert.equal((await listed()).length, MODELS.length);
  other.gateway.write(config([other.providers[0]!.url]).replace('  all: {}', '  all: { models: [chat-small] }'));
  other.gateway.reload();
  assert.deepEqual(await listed(), ['chat-small']);
  const refused = await other.ask({ body: { model: 'chat-large', messages: [] }, key: 'sk-everything' });
  assert.equal(refused.status, 403);
});
