/** R2: the official SDK reads a stream that a hard limit ended as an answer that a cap ended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { TEST_KEY } from '../fakes/gateway.ts';
import { DONE, STREAM_HEADERS, startHandUpstream } from '../fakes/hand-upstream.ts';
import { type Scene, setScene } from '../fakes/scene.ts';
import { until } from '../fakes/until.ts';

const ROOM = 12;
/** What a provider says in a row before it waits for the gateway to read it. */
const WORDS = 40;

/** A provider that goes on for longer than the limit lets it, one event after the other; `choices` take turns. */
async function start(operation: 'chat' | 'completion', choices: number) {
  const upstream = await startHandUpstream(async ({ response }) => {
    response.writeHead(200, STREAM_HEADERS);
    for (let word = 0; word < WORDS && !response.closed; word++) {
      const said = operation === 'chat' ? { delta: { role: 'assistant', content: 'go ' } } : { text: 'go ' };
      const object = operation === 'chat' ? 'chat.completion.chunk' : 'text_completion';
      const choice = { index: word % choices, ...said, logprobs: null, finish_reason: null };
      response.write(`data: ${JSON.stringify({ id: 'c', object, created: 1, model: 'm', choices: [choice] })}\n\n`);
      await passedOn(word + 1);
    }
    response.end(DONE);
  });
  const scene = await setScene({
    targets: [upstream.url],
    model: 'reserve: { output: 2, step: 2 }',
    limits: `[ { outputTokens: ${ROOM}/day } ]`,
  });
  let received = 0;
  const passedOn = (words: number) =>
    until('the caller has it, or all is over', () => received >= words || scene.gateway.running === 0);
  const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${scene.gateway.dataUrl}/v1`, maxRetries: 0 });
  return {
    scene,
    client,
    got: () => {
      received++;
    },
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const CHAT = { model: 'm', max_tokens: 50, messages: [{ role: 'user' as const, content: 'Go on.' }] };

async function assertCut(scene: Scene): Promise<void> {
  const { outcome, code, status } = await scene.record();
  assert.deepEqual([outcome, code, status], ['cut_by_limit', 'output_limit_reached', 200]);
  assert.equal((await scene.limits())[0]!.used, ROOM);
  await scene.settled();
}

for (const choices of [1, 2]) {
  test(`R2: a chat of ${choices} that is cut is read to its end, and every choice says length`, async () => {
    await using at = await start('chat', choices);
    const texts = new Array<string>(choices).fill('');
    const reasons: (string | null)[] = new Array<null>(choices).fill(null);
    const stream = await at.client.chat.completions.create({ ...CHAT, n: choices, stream: true });
    for await (const chunk of stream) {
      for (const { index, delta, finish_reason } of chunk.choices) {
        texts[index] += delta.content ?? '';
        reasons[index] = finish_reason;
      }
      at.got();
    }
    assert.deepEqual(texts, new Array(choices).fill('go '.repeat(ROOM / choices)));
    assert.deepEqual(reasons, new Array(choices).fill('length'));
    await assertCut(at.scene);
  });
}

test("R2: the SDK's own accumulator makes one message of a chat that is cut", async () => {
  await using at = await start('chat', 1);
  const stream = at.client.chat.completions.stream(CHAT).on('chunk', at.got);
  const { choices } = await stream.finalChatCompletion();
  assert.equal(choices[0]!.message.content, 'go '.repeat(ROOM));
  assert.equal(choices[0]!.finish_reason, 'length');
  await assertCut(at.scene);
});

test('R2: a completion that is cut is read to its end and says length', async () => {
  await using at = await start('completion', 1);
  let text = '';
  let reason: string | null = null;
  for await (const chunk of await at.client.completions.create({
    model: 'm',
    prompt: 'Go on.',
    max_tokens: 50,
    stream: true,
  })) {
    text += chunk.choices[0]!.text;
    reason = chunk.choices[0]!.finish_reason;
    at.got();
  }
  assert.equal(text, 'go '.repeat(ROOM));
  assert.equal(reason, 'length');
  await assertCut(at.scene);
});
