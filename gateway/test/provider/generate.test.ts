import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { type SimulatedProvider, startProvider } from '../../src/provider/server.ts';
import { text } from '../../src/provider/words.ts';
import { exchange, send } from '../fakes/http-client.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const MESSAGES = [{ role: 'user' as const, content: 'Twelve chars' }];
const PROMPT_TOKENS = 3;

const clock = new VirtualClock();
let provider: SimulatedProvider;
let client: OpenAI;

before(async () => {
  provider = await startProvider({ clock, tokens: 300 });
  client = new OpenAI({ baseURL: `${provider.url}/v1`, apiKey: 'sk-any', maxRetries: 0 });
});
after(() => provider.close());

for (const model of ['sim', 'sim@stall=900:0%', 'sim@delay=0']) {
  test(`the official SDK reads a generated stream to the right text and usage (${model})`, async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: MESSAGES,
      stream: true,
      stream_options: { include_usage: true },
    });
    let content = '';
    const reasons: string[] = [];
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      content += chunk.choices[0]?.delta.content ?? '';
      if (chunk.choices[0]?.finish_reason) reasons.push(chunk.choices[0].finish_reason);
      if (chunk.choices.length === 0) usage = chunk.usage;
    }
    assert.equal(content, text(300));
    assert.deepEqual(reasons, ['stop']);
    assert.deepEqual(
      [usage?.prompt_tokens, usage?.completion_tokens, usage?.total_tokens],
      [PROMPT_TOKENS, 300, PROMPT_TOKENS + 300],
    );
  });
}

test('the official SDK reads a generated JSON answer to the same text and usage', async () => {
  const answer = await client.chat.completions.create({ model: 'sim', messages: MESSAGES });
  assert.equal(answer.choices[0]!.message.content, text(300));
  assert.equal(answer.choices[0]!.finish_reason, 'stop');
  assert.deepEqual([answer.usage?.prompt_tokens, answer.usage?.completion_tokens], [PROMPT_TOKENS, 300]);
});

test('a cap on the tokens is kept, the smaller one of two, and the finish reason says so', async () => {
  const create = (caps: object) => client.chat.completions.create({ model: 'sim', messages: MESSAGES, ...caps });
  const capped = await create({ max_tokens: 7, max_completion_tokens: 9 });
  assert.equal(capped.usage?.completion_tokens, 7);
  assert.equal(capped.choices[0]!.finish_reason, 'length');
  assert.equal((await create({ max_completion_tokens: 1000 })).choices[0]!.finish_reason, 'stop');
  await assert.rejects(create({ max_tokens: 0 }), OpenAI.BadRequestError);
});

test('the official SDK reads generated completions, streamed or not, to the same text', async () => {
  const whole = await client.completions.create({ model: 'sim', prompt: 'Twelve chars', max_tokens: 40 });
  assert.equal(whole.choices[0]!.text, text(40));
  assert.equal(whole.usage?.prompt_tokens, PROMPT_TOKENS);
  let streamed = '';
  for await (const chunk of await client.completions.create({
    model: 'sim',
    prompt: 'x',
    max_tokens: 40,
    stream: true,
  })) {
    streamed += chunk.choices[0]?.text ?? '';
  }
  assert.equal(streamed, whole.choices[0]!.text);
});

test('equal texts have equal vectors and different ones different, as numbers and as base64', async () => {
  const { data, usage } = await client.embeddings.create({ model: 'sim', input: ['one', 'two', 'one'] });
  assert.deepEqual(data[0]!.embedding, data[2]!.embedding);
  assert.notDeepEqual(data[0]!.embedding, data[1]!.embedding);
  assert.equal(usage.prompt_tokens, Math.ceil(9 / 4));
  const float = await client.embeddings.create({ model: 'sim', input: 'one', encoding_format: 'float', dimensions: 8 });
  assert.deepEqual(float.data[0]!.embedding, [...data[0]!.embedding]);
});

test('a stream has one usage chunk without choices if and only if it was asked for, and ends with [DONE]', async () => {
  const events = async (options: object): Promise<string[]> => {
    const { text: all } = await send({
      url: provider.url,
      path: '/chat/completions',
      body: { model: 'sim', messages: MESSAGES, stream: true, ...options },
    });
    return all.split('\n\n').slice(0, -1);
  };
  const plain = await events({});
  assert.ok(!plain.join('').includes('usage'));
  assert.equal(plain.at(-1), 'data: [DONE]');
  const asked = await events({ stream_options: { include_usage: true } });
  assert.equal(asked.filter((event) => event.includes('"choices":[]')).length, 1);
  assert.equal(asked.length, plain.length + 1);
});

test('the prompt is counted by characters in every shape of message, and token ids one each', async () => {
  const parts = [
    { type: 'text', text: 'Twelve' },
    { type: 'text', text: ' chars' },
  ];
  const ask = async (path: string, body: object): Promise<number> =>
    JSON.parse((await send({ url: provider.url, path, body: { model: 'sim', max_tokens: 1, ...body } })).text).usage
      .prompt_tokens;
  assert.equal(await ask('/v1/chat/completions', { messages: [{ role: 'user', content: parts }] }), PROMPT_TOKENS);
  assert.equal(await ask('/v1/completions', { prompt: ['Twelve', ' chars'] }), PROMPT_TOKENS);
  assert.equal(await ask('/v1/completions', { prompt: [[1, 2], [3]] }), 3);
  assert.equal(await ask('/v1/embeddings', { input: [[1, 2], [3]] }), 3);
});

test('tokens come at the set time to first token and pace, the role with the headers', async () => {
  const body = { model: 'sim@ttft=200ms,pace=20ms,tokens=3', messages: MESSAGES, stream: true };
  const { done, headers } = exchange({ url: provider.url, path: '/v1/chat/completions', body });
  await headers;
  const { entry } = provider.requests.at(-1)!;
  for (const [ms, tokens] of [
    [199, 0],
    [1, 1],
    [19, 1],
    [1, 2],
    [20, 3],
  ] as const) {
    clock.advance(ms);
    await until('what is generated is written', () => entry.writtenTokens === entry.generatedTokens);
    assert.equal(entry.generatedTokens, tokens);
  }
  const { closed, text: all } = await done;
  assert.equal(closed, 'end');
  assert.match(all, /^data: .*"role":"assistant"/);
  assert.equal(clock.pending, 0);
});

test('a JSON answer comes when the last token of a stream would', async () => {
  const body = { model: 'sim@ttft=200ms,pace=20ms,tokens=3', messages: MESSAGES };
  const { done } = exchange({ url: provider.url, path: '/v1/chat/completions', body });
  await until('its timer waits', () => clock.pending === 1);
  clock.advance(239);
  assert.equal(provider.requests.at(-1)!.entry.state, 'open');
  clock.advance(1);
  assert.equal((await done).status, 200);
});

test('what the simulated model cannot answer it refuses in the shape of OpenAI', async () => {
  const ask = (path: string, body: string | object, method = 'POST') => send({ url: provider.url, path, body, method });
  const refusals = [
    [400, await ask('/v1/chat/completions', '{')],
    [400, await ask('/v1/chat/completions', { messages: MESSAGES })],
    [400, await ask('/v1/chat/completions', { model: 'sim', n: 2 })],
    [400, await ask('/v1/chat/completions', { model: 'sim@nonsense' })],
    [404, await ask('/v2/chat/completions', { model: 'sim' })],
    [405, await ask('/v1/models', {})],
  ] as const;
  for (const [status, refusal] of refusals) {
    assert.equal(refusal.status, status);
    assert.equal(JSON.parse(refusal.text).error.type, 'invalid_request_error');
  }
});
