/** R6: whatever was called and however it ended, what the limits count of it is what the ledger says, in every dimension. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { UsageSource } from '../../src/policy/usage.ts';
import { inputOf, outputOf } from '../../src/policy/usage.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import { loadRecording } from '../../src/provider/recording.ts';
import { startHandUpstream } from '../fakes/hand-upstream.ts';
import { type CallOptions, type Scene, setScene } from '../fakes/scene.ts';
import { until } from '../fakes/until.ts';

const recorded = (name: string): Behaviour => ({
  replay: loadRecording(join(import.meta.dirname, '../recordings'), name),
});

/** Every dimension, in windows of several kinds. */
const WEIGHTS = '{ input: 1, cacheRead: 0.1, cacheWrite: 1.25, output: 5, reasoning: 7, audio: 9 }';
const LIMITS = `[
  { tokens: 10M/hour }, { tokens: 10M/month, per: organization }, { tokens: 10M/hour, burst: 10M },
  { inputTokens: 10M/hour }, { outputTokens: 10M/day }, { weightedTokens: 100M/hour, weights: ${WEIGHTS} },
  { cost: 100 USD/day }, { requests: 1k/hour }, { concurrency: 5 } ]`.replaceAll('\n', '');

const ENDPOINTS = {
  chat: { path: '/v1/chat/completions', body: { max_tokens: 20 } },
  completions: { path: '/v1/completions', body: { prompt: 'Say something, please.', max_tokens: 20 } },
  embeddings: { path: '/v1/embeddings', body: { input: ['one text', 'and another'] } },
} as const;

interface Cell {
  readonly what: string;
  readonly endpoint: keyof typeof ENDPOINTS;
  readonly stream: boolean;
  readonly provider: Behaviour | 'no usage';
  readonly source: UsageSource;
  readonly leaves?: boolean;
  readonly asks?: boolean;
}

const NO_USAGE = {
  chat: { choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }] },
  completions: { choices: [{ index: 0, text: 'Hello there', finish_reason: 'stop' }] },
  embeddings: { data: [{ index: 0, embedding: [0.5] }] },
};

const cells: Cell[] = [];
for (const endpoint of Object.keys(ENDPOINTS) as (keyof typeof ENDPOINTS)[]) {
  for (const stream of [false, true]) {
    const streams = stream && endpoint !== 'embeddings';
    const cell = (what: string, provider: Cell['provider'], source: UsageSource, more: Partial<Cell> = {}) =>
      cells.push({ what, endpoint, stream, provider, source, ...more });
    cell('an answer', {}, 'provider');
    cell("the provider's error", { faults: [{ kind: 'status', status: 500 }] }, 'none');
    cell("the provider's refusal", { faults: [{ kind: 'status', status: 400 }] }, 'none');
    cell('a caller that leaves before it is answered', { faults: [{ kind: 'silent' }] }, 'none', { leaves: true });
    cell('an answer without usage', 'no usage', 'estimated');
    if (!streams) continue;
    cell('a caller that leaves in the middle', { faults: [{ kind: 'stall', after: { events: 4 } }] }, 'estimated', {
      leaves: true,
    });
    cell('an error in the middle', { faults: [{ kind: 'error', afterEvents: 4 }] }, 'estimated');
    cell('a stream that breaks off', { faults: [{ kind: 'close', after: { events: 4 } }] }, 'estimated');
  }
}
for (const [what, name, stream] of [
  ['a tool call and nothing else', 'mistral/chat-mistral-small-latest-tools', false],
  ['a tool call and nothing else', 'mistral/chat-mistral-small-latest-tools-2', true],
  ['reasoning', 'groq/chat-openai-gpt-oss-120b-tools', false],
  ['reasoning', 'openai/chat-gpt-5-nano', true],
  ['reasoning that is counted beside', 'xai/chat-grok-code-fast-1-thinking', true],
  ['cached input', 'openai/chat-gpt-4o-mini-cache', false],
  ['cached input, as DeepSeek says it', 'deepseek/chat-deepseek-chat-cache', false],
] as const) {
  cells.push({ what, endpoint: 'chat', stream, provider: recorded(name), source: 'provider' });
}

/** Sends the call of a cell; one that leaves does so when the provider has it, and what comes of a stream has come. */
async function run(scene: Scene, { endpoint, stream, leaves = false }: Cell): Promise<void> {
  const { path, body } = ENDPOINTS[endpoint];
  const options: CallOptions = { path, stream, body };
  const call = scene.call(options);
  if (leaves) {
    const [provider] = scene.providers;
    await until('the provider has it', () => provider!.requests.length === 1);
    const { entry } = provider!.requests[0]!;
    await until('all that comes has come', () => entry.status === null || call.bytesReceived > 500);
    call.abort();
  }
  await call.done;
}

for (const cell of cells) {
  const { what, endpoint, stream, provider, source } = cell;
  test(`R6: ${endpoint}, ${stream ? 'streamed' : 'in one piece'}: ${what}`, async () => {
    const answer = JSON.stringify(NO_USAGE[endpoint]);
    await using upstream = await startHandUpstream(({ response }) => {
      const streams = stream && endpoint !== 'embeddings';
      if (!streams) return void response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
      const event = endpoint === 'chat' ? answer.replace('"message"', '"delta"') : answer;
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${event}\n\ndata: [DONE]\n\n`);
    });
    await using scene = await setScene({
      limits: LIMITS,
      price: '{ input: 1, output: 2, cacheRead: 0.5 }',
      targets: [provider === 'no usage' ? upstream.url : provider],
    });
    await run(scene, cell);
    const { usage, admitted } = await scene.record();
    assert.equal(admitted, true);
    assert.equal(usage.source, source);
    assert.equal(inputOf(usage) > 0, source !== 'none');
    assert.equal(outputOf(usage) > 0, source !== 'none' && endpoint !== 'embeddings');
    await scene.settled();
  });
}

const CACHED = recorded('openai/chat-gpt-4o-mini-cache');

for (const { says, weight, counted } of [
  { says: 'counts cached input in full', weight: 1, counted: 1149 + 261 },
  { says: 'leaves cached input out', weight: 0, counted: 1149 - 1024 + 261 },
  { says: 'counts a tenth of cached input', weight: 0.1, counted: Math.ceil(1149 - 1024 + 102.4 + 261) },
]) {
  test(`R6b: a limit ${says}, as its weights say`, async () => {
    await using scene = await setScene({
      limits: `[ { weightedTokens: 1M/hour, weights: { cacheRead: ${weight} } }, { inputTokens: 1M/hour }, { outputTokens: 1M/hour } ]`,
      targets: [CACHED],
    });
    await scene.call({ stream: false }).done;
    await scene.ledger();
    assert.deepEqual(
      (await scene.limits()).map(({ used }) => used),
      [counted, 1149, 261],
    );
    await scene.settled();
  });
}
