/**
 * A thousand calls, each with its own fate drawn from a seed: faults of every kind at both providers, callers that leave at any
 * moment, waits that run out. Afterwards nothing may be held anywhere, and three books must agree: what the callers saw, the
 * gateway's ledger, and the providers' own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptRecord, RequestRecord } from '../../src/call.ts';
import { type Random, systemClock, systemRandom } from '../../src/clock.ts';
import { amountOf } from '../../src/policy/limit.ts';
import { inputOf, outputOf } from '../../src/policy/usage.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import type { Fault } from '../../src/provider/faults.ts';
import { seeded } from '../../src/provider/seeded.ts';
import {
  type ReceivedRequest,
  type ServedRequest,
  type SimulatedProvider,
  startProvider,
} from '../../src/provider/server.ts';
import { useOf } from '../../src/settle/counted.ts';
import { hashOf, startTestGateway, TEST_KEY } from '../fakes/gateway.ts';
import { exchange, type Received } from '../fakes/http-client.ts';
import { contentEvents, sumFor } from '../fakes/scene.ts';
import { until } from '../fakes/until.ts';

const CALLS = 1000;
const TOGETHER = 50;
/** As many as run together: a call that comes before the one it follows is settled is refused. */
const SLOTS = TOGETHER;
const TIMEOUTS = '{ connect: 5s, headers: 400ms, firstToken: 600ms, idle: 400ms, total: 3s }';

interface Fate {
  /** Also the name of its model, by which the three books are joined. */
  readonly name: string;
  readonly stream: boolean;
  readonly maxTokens: number;
  readonly promptCharacters: number;
  readonly wantsUsage: boolean;
  /** How each provider will behave. */
  readonly behaviours: readonly Behaviour[];
  /** When the caller leaves by itself: after so many bytes of the body, or before its headers. */
  readonly leaves: 'before-headers' | { readonly afterBytes: number } | null;
}

test('1,000 random calls under faults, aborts and timeouts: nothing stays held, and ledger, limits and the providers’ books agree', async (t) => {
  // SEED=<number> repeats every fate; the sockets' own timing differs from run to run.
  const seed = Number(process.env['SEED'] ?? Math.floor(systemRandom.next() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  const random = seeded(seed);
  const fates = new Map(
    Array.from({ length: CALLS }, (_, index) => fateOf(`call-${index}`, random)).map((fate) => [fate.name, fate]),
  );
  const providers = await Promise.all(
    [0, 1].map((index) =>
      startProvider({ clock: systemClock, random, script: (request) => behaviourFor(request, index, fates) }),
    ),
  );
  t.after(() => Promise.all(providers.map((provider) => provider.close())));
  await using gateway = await startTestGateway({ yaml: configFor(providers, [...fates.keys()]) });

  const seen = new Map<string, Received>();
  const queue = [...fates.values()];
  const worker = async (): Promise<void> => {
    for (let fate = queue.shift(); fate !== undefined; fate = queue.shift()) {
      seen.set(fate.name, await callOf(fate, gateway.dataUrl));
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, worker));
  await until('every call is over', () => gateway.running === 0);

  const records = await gateway.ledger.recent(10 * CALLS);
  t.diagnostic(`outcomes ${JSON.stringify(tally(records.map(({ outcome }) => outcome)))}`);
  t.diagnostic(
    `attempts ${JSON.stringify(tally(records.flatMap(({ attempts }) => attempts.map(({ usage }) => usage.source))))}`,
  );

  assert.equal(records.length, CALLS, 'one row for each call');
  assert.equal(await gateway.limits.held(), 0);
  assert.equal(gateway.bodyBytes, 0);
  const caller = gateway.config.current.callersByHash.get(hashOf(TEST_KEY).slice('sha256:'.length))!;
  for (const state of await gateway.limits.read(caller.limits.every())) {
    assert.equal(state.reserved, 0, `reserved under ${state.bound.limit.id}`);
    assert.equal(state.used, sumFor(records, state), `used under ${state.bound.limit.id}`);
    const { limit } = state.bound;
    const used = await gateway.ledger.usedSince(useOf(caller, limit.per, null), 0, Number.POSITIVE_INFINITY);
    if (limit.dimension !== 'concurrency') assert.equal(amountOf(limit, used), state.used);
  }
  for (const provider of providers) {
    await until('the provider has let go of every call', () => provider.book.totals.open === 0);
    assert.ok(provider.connections <= TOGETHER, `${provider.connections} sockets`);
  }

  const served = servedByModel(providers);
  for (const record of records) {
    const fate = fates.get(record.model!)!;
    compareWithProviders(
      record,
      fate,
      providers.map((_, index) => served[index]!.get(fate.name)),
    );
    compareWithCaller(record, seen.get(fate.name)!, fate);
  }
  const attempts = records.reduce((sum, record) => sum + record.attempts.length, 0);
  const asked = providers.reduce((sum, provider) => sum + provider.book.totals.requests, 0);
  assert.ok(asked <= attempts, 'no provider was asked without a row');

  await gateway.stop();
  for (const provider of providers) await until('every socket is closed', () => provider.connections === 0);
});

/** A ledger attempt is the provider's figure to the token, or is marked as less certain and within its bounds. */
function compareWithProviders(record: RequestRecord, fate: Fate, served: readonly (ServedRequest | undefined)[]): void {
  assert.ok(record.attempts.length <= served.length);
  for (const attempt of record.attempts) {
    const entry = served[attempt.provider === 'p1' ? 0 : 1]?.entry;
    const about = `${fate.name}, attempt ${attempt.number}: ${JSON.stringify({ attempt, entry, fate })}`;
    switch (attempt.usage.source) {
      case 'provider':
        assert.deepEqual(
          [inputOf(attempt.usage), outputOf(attempt.usage)],
          [entry?.promptTokens, entry?.generatedTokens],
          about,
        );
        assert.equal(entry?.usageReported, true, about);
        break;
      case 'none':
        assert.ok(attempt.status === null || attempt.status >= 300, about);
        break;
      default:
        assert.ok(entry !== undefined && inputOf(attempt.usage) >= entry.promptTokens, about);
        assert.ok(outputOf(attempt.usage) <= fate.maxTokens, about);
    }
    assert.equal(attempt.cost, costOf(attempt), about);
  }
  const summed = record.attempts.reduce((sum, { usage }) => sum + inputOf(usage) + outputOf(usage), 0);
  assert.equal(inputOf(record.usage) + outputOf(record.usage), summed);
}

/** What the caller saw is never more than what is on the ledger, and a success is whole. */
function compareWithCaller(record: RequestRecord, received: Received, fate: Fate): void {
  const about = `${record.outcome}, ${received.status} ${received.closed}: ${JSON.stringify(fate)} ${received.text}`;
  if (record.streamed) assert.ok(outputOf(record.usage) >= contentEvents(received.text), about);
  if (received.closed === 'aborted') return;
  assert.equal(received.status, record.status, about);
  assert.equal(received.closed, 'end', about);
  const failed = received.status !== 200 || /(^|\n)data: \{"error"/.test(received.text);
  assert.equal(record.outcome === 'ok', !failed, about);
  if (failed) assert.ok(!received.text.includes('[DONE]'), about);
}

const costOf = ({ usage }: AttemptRecord): number => inputOf(usage) * 1000 + outputOf(usage) * 2000;

function servedByModel(providers: readonly SimulatedProvider[]): readonly Map<string, ServedRequest>[] {
  return providers.map(({ requests }) => {
    const byModel = new Map(requests.map((request) => [request.entry.model!, request]));
    assert.equal(byModel.size, requests.length, 'no target was asked twice for one call');
    return byModel;
  });
}

function behaviourFor(
  { body }: ReceivedRequest,
  index: number,
  fates: ReadonlyMap<string, Fate>,
): Behaviour | undefined {
  const { model } = JSON.parse(body.toString()) as { model: string };
  return fates.get(model)?.behaviours[index];
}

function callOf(fate: Fate, url: string): Promise<Received> {
  const usage = fate.stream && fate.wantsUsage ? { stream_options: { include_usage: true } } : {};
  return exchange({
    url,
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${TEST_KEY}` },
    body: {
      model: fate.name,
      messages: [{ role: 'user', content: 'x'.repeat(fate.promptCharacters) }],
      max_tokens: fate.maxTokens,
      stream: fate.stream,
      ...usage,
    },
    ...(fate.leaves !== null && { abort: fate.leaves }),
  }).done;
}

function fateOf(name: string, random: Random): Fate {
  const upTo = (most: number): number => Math.floor(random.next() * most);
  const chance = (rate: number): boolean => random.next() < rate;
  const fault = (tokens: number): Fault => {
    const after = chance(0.5) ? { events: upTo(25) } : { bytes: upTo(4000) };
    const all: readonly Fault[] = [
      { kind: 'status', status: [400, 401, 404, 408, 429, 500, 502, 503, 529][upTo(9)]! },
      { kind: 'delay', ms: upTo(600) },
      { kind: 'first-token', ms: upTo(900) },
      { kind: 'stall', after },
      { kind: 'cut', after },
      { kind: 'close', after },
      { kind: 'reset', after },
      { kind: 'error', afterEvents: upTo(tokens + 2) },
      { kind: 'garbage', what: (['http', 'json', 'sse'] as const)[upTo(3)]! },
      { kind: 'empty' },
      { kind: 'no-done' },
      { kind: 'silent' },
    ];
    return all[upTo(all.length)]!;
  };
  const maxTokens = 1 + upTo(60);
  const behaviour = (): Behaviour => {
    const tokens = 1 + upTo(40);
    return {
      tokens,
      ...(chance(0.3) && { paceMs: 1 + upTo(5), ttftMs: upTo(30) }),
      ...(chance(0.3) && { cut: (['event', 'random', { bytes: 1 + upTo(50) }] as const)[upTo(3)]! }),
      faults: chance(0.6) ? [fault(Math.min(tokens, maxTokens))] : [],
    };
  };
  return {
    name,
    stream: chance(0.65),
    maxTokens,
    promptCharacters: upTo(2000),
    wantsUsage: chance(0.5),
    behaviours: [behaviour(), behaviour()],
    leaves: chance(0.25) ? (chance(0.3) ? 'before-headers' : { afterBytes: upTo(6000) }) : null,
  };
}

function configFor(providers: readonly SimulatedProvider[], models: readonly string[]): string {
  const limits = `[ { requests: 1M/minute }, { tokens: 1000M/hour }, { outputTokens: 1000M/minute }, { concurrency: ${SLOTS} }, { tokens: 1000M/month, per: organization }, { cost: 100000 USD/month, per: organization } ]`;
  const price = 'price: { input: 1, output: 2 }';
  return `providers:
${providers.map(({ url }, index) => `  p${index + 1}: { protocol: openai, baseUrl: "${url}/v1", timeouts: ${TIMEOUTS} }`).join('\n')}
models:
${models.map((name) => `  ${name}: { targets: [ { provider: p1, model: ${name}, ${price} }, { provider: p2, model: ${name}, ${price} } ] }`).join('\n')}
tiers:
  pro: { limits: ${limits} }
organizations:
  acme: { tier: pro, keys: { web: { hash: "${hashOf(TEST_KEY)}" } } }
`;
}

function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
