import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Looked, lookUpPrices } from '../../src/config/price-list.ts';
import { snapshotFrom, TEST_NOW } from '../fakes/config.ts';

const OPENAI = { name: 'main', origin: 'https://api.openai.com', basePath: '/v1' };
const lookUp = (model: string, provider = OPENAI, now = TEST_NOW) => lookUpPrices(provider, model, now);

function prices(looked: Looked) {
  assert.ok('prices' in looked, 'unknown' in looked ? looked.unknown : '');
  return looked.prices;
}

test('R11: a model is priced by its exact id, in exact integers, with the version of the list', () => {
  const { source, ...figures } = prices(lookUp('gpt-4o-mini'));
  assert.deepEqual(figures, { input: 150_000, output: 600_000, cacheRead: 75_000, cacheWrite: 150_000 });
  assert.match(source, /^@pydantic\/genai-prices \d+\.\d+\.\d+ openai\/gpt-4o-mini$/);
});

test('R11: a name that the list says equals a model is priced as that model', () => {
  const { source, ...figures } = prices(lookUp('gpt-4o-2024-08-06'));
  const { source: sourceOfId, ...ofId } = prices(lookUp('gpt-4o'));
  assert.deepEqual(figures, ofId);
  assert.equal(source, sourceOfId);
  // An id of its own goes before any likeness to it.
  assert.notDeepEqual(prices(lookUp('gpt-4o-2024-05-13')).input, ofId.input);
});

test('R11: nothing near an id is priced as that id', () => {
  const near = ['gpt-4o-mini-free', 'gpt-4o-mini ', 'GPT-4o-mini', 'x-gpt-4o-mini', 'computer-use-free', ''];
  // The list itself matches the last ones, by prefix.
  for (const name of [...near, 'gpt-4o-2024-08-06-x', 'ft:gpt-4o-2024-08-06:acme', 'gpt-4o-mini-audio-x']) {
    assert.ok('unknown' in lookUp(name), name);
  }
  const claude = { name: 'anthropic', origin: 'https://api.anthropic.com', basePath: '' };
  assert.ok('prices' in lookUp('claude-opus-4-1', claude));
  assert.ok('unknown' in lookUp('claude-opus-4-1-free', claude));
});

test('R11: a provider is known by its host or by exactly its name, never by likeness', () => {
  const local = 'http://127.0.0.1:8000';
  assert.ok('prices' in lookUp('gpt-4o', { name: 'openai', origin: local, basePath: '' }));
  for (const name of ['my-openai', 'OpenAI', 'openai2']) {
    assert.ok('unknown' in lookUp('gpt-4o', { name, origin: local, basePath: '' }), name);
  }
  for (const origin of [
    'https://api.openai.com.example.com',
    'https://example.com/api.openai.com',
    'https://xapi.openai.com',
  ]) {
    assert.ok('unknown' in lookUp('gpt-4o', { name: 'main', origin, basePath: '' }), origin);
  }
});

test('R11: a price that is missing, or that changes with the hour, is unknown and never 0', () => {
  assert.ok('unknown' in lookUp('moderation'));
  assert.ok('unknown' in lookUp('whisper-1'));
  assert.ok(
    'unknown' in lookUp('deepseek-chat', { name: 'deepseek', origin: 'https://api.deepseek.com', basePath: '' }),
  );
  assert.ok(prices(lookUp('text-embedding-3-small')).output > 0);
});

test('a price with a date is in force from that date on', () => {
  assert.ok(
    prices(lookUp('o3', OPENAI, Date.UTC(2025, 5, 9))).input >
      prices(lookUp('o3', OPENAI, Date.UTC(2025, 5, 10))).input,
  );
});

test('of tiered prices the base is used, and that is said', () => {
  const looked = lookUp('gpt-5.4');
  assert.equal(prices(looked).input, 2_500_000);
  assert.match(prices(looked).source, /, base tier$/);
  assert.ok('note' in looked && looked.note !== null);
});

test('R11: a price of the configuration goes before the list, and an explicit 0 is free', () => {
  const snapshot = snapshotFrom(`
    providers: { openai: { protocol: openai, baseUrl: https://api.openai.com/v1 } }
    models:
      own: { targets: [ { provider: openai, model: gpt-4o, price: { input: 0, output: 0 } } ] }
      list: { targets: [ { provider: openai, model: gpt-4o } ] }
      unknown: { targets: [ { provider: openai, model: gpt-4o-free } ] }
  `);
  const priceOf = (model: string) => snapshot.models.get(model)!.targets[0]!.prices;
  assert.equal(priceOf('own')!.input, 0);
  assert.equal(priceOf('list')!.input, 2_500_000);
  assert.equal(priceOf('unknown'), null);
  assert.ok(snapshot.warnings.some((warning) => warning.includes('the price of gpt-4o-free is unknown')));
});
