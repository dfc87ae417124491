/**
 * One caller, one gateway and its providers, over real sockets and on one virtual clock: bytes flow by themselves, time moves
 * only when the test says so.
 */
import assert from 'node:assert/strict';
import type { Caller, RequestRecord } from '../../src/call.ts';
import type { Clock } from '../../src/clock.ts';
import { amountOf } from '../../src/policy/limit.ts';
import { amountsOf } from '../../src/policy/usage.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import { type SimulatedProvider, startProvider } from '../../src/provider/server.ts';
import { useOf } from '../../src/settle/counted.ts';
import type { LimitState } from '../../src/stores/limit-store.ts';
import { hashOf, type PlainConfig, plainConfig, startTestGateway, TEST_KEY, type TestGateway } from './gateway.ts';
import { type Exchange, exchange, type SendOptions } from './http-client.ts';
import { scrape } from './scrape.ts';
import { until } from './until.ts';
import { VirtualClock } from './virtual-clock.ts';

/** Limits of every kind, wide enough for any test. */
const LIMITS =
  '[ { requests: 10k/minute }, { tokens: 10M/minute }, { outputTokens: 10M/hour }, { tokens: 100M/month, per: organization }, { cost: 100 USD/month, per: organization }, { concurrency: 10 } ]';

export interface SceneOptions extends Omit<PlainConfig, 'providers'> {
  /** The targets in order: how a simulated provider behaves, or the URL of any server. One good provider unless given. */
  readonly targets?: readonly (Behaviour | string)[];
  /** More members of `listen`, as YAML flow text. */
  readonly listen?: string;
  /** Where limits are kept, as YAML flow text; in memory unless given. */
  readonly limitStore?: string;
  /** Of the providers, when it is to be another than the gateway's. */
  readonly providerClock?: Clock;
}

export interface CallOptions extends Pick<SendOptions, 'abort' | 'readNothing'> {
  readonly stream?: boolean;
  /** Of the chat endpoint unless given. */
  readonly path?: string;
  /** More members of the request body. */
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Scene {
  readonly clock: VirtualClock;
  readonly gateway: TestGateway;
  /** The simulated ones among the targets, in order. */
  readonly providers: readonly SimulatedProvider[];
  readonly caller: Caller;
  /** Sends a chat call, a stream unless said otherwise. */
  call(options?: CallOptions): Exchange;
  /** Waits until nothing runs; answers the ledger, newest first. */
  ledger(): Promise<readonly RequestRecord[]>;
  /** The one call on the ledger. */
  record(): Promise<RequestRecord>;
  /** The state of the caller's limits. */
  limits(): Promise<readonly LimitState[]>;
  /** Waits until nothing runs and proves that nothing is held, and that every limit has counted what the ledger has. */
  settled(): Promise<void>;
  /** The value of a metric, summed over the series whose labels include `labels`. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function setScene(options: SceneOptions = {}): Promise<Scene> {
  const { targets = [{}], listen, limitStore, providerClock, ...plain } = options;
  const clock = new VirtualClock();
  const providers: SimulatedProvider[] = [];
  const urls: string[] = [];
  for (const target of targets) {
    if (typeof target === 'string') urls.push(target);
    else {
      const provider = await startProvider({ clock: providerClock ?? clock, tokens: 10, script: () => target });
      providers.push(provider);
      urls.push(provider.url);
    }
  }
  const yaml = plainConfig({ limits: LIMITS, ...plain, providers: urls });
  const gateway = await startTestGateway({
    yaml,
    clock,
    ...(listen !== undefined && { listen }),
    ...(limitStore !== undefined && { limitStore }),
  });
  const exchanges: Exchange[] = [];
  const caller = gateway.config.current.callersByHash.get(hashOf(TEST_KEY).slice('sha256:'.length))!;

  const ledger = async () => {
    await until('every call is over', () => gateway.running === 0);
    return gateway.ledger.recent(1_000_000);
  };
  const limits = async () => gateway.limits.read(caller.limits.every());

  return {
    clock,
    gateway,
    providers,
    caller,
    call({ stream = true, path = '/v1/chat/completions', body, headers, ...rest } = {}) {
      const sent = exchange({
        url: gateway.dataUrl,
        path,
        headers: { authorization: `Bearer ${TEST_KEY}`, ...headers },
        body: { model: 'm', messages: [{ role: 'user', content: 'Say something, please.' }], stream, ...body },
        ...rest,
      });
      exchanges.push(sent);
      return sent;
    },
    ledger,
    limits,
    async record() {
      const records = await ledger();
      assert.equal(records.length, 1, 'one call, one row');
      return records[0]!;
    },
    async settled() {
      const records = await ledger();
      assert.equal(await gateway.limits.held(), 0, 'reservations held');
      assert.equal(gateway.bodyBytes, 0, 'body bytes held');
      for (const state of await limits()) {
        assert.equal(state.reserved, 0, `reserved under ${state.bound.limit.id}`);
        assert.equal(state.used, sumFor(records, state), `used under ${state.bound.limit.id}`);
        const { limit } = state.bound;
        const used = await gateway.ledger.usedSince(useOf(caller, limit.per, null), 0, Number.POSITIVE_INFINITY);
        if (limit.dimension !== 'concurrency') {
          assert.equal(amountOf(limit, used), state.used, 'the ledger restores the same');
        }
      }
    },
    async metric(name, labels = {}) {
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      return [...(await scrape(gateway.adminUrl))]
        .filter(([series]) => series === name || series.startsWith(`${name}{`))
        .filter(([series]) => wanted.every((pair) => series.includes(pair)))
        .reduce((sum, [, value]) => sum + value, 0);
    },
    async [Symbol.asyncDispose]() {
      for (const sent of exchanges) sent.abort();
      await Promise.all(providers.map((provider) => provider.close()));
      await gateway[Symbol.asyncDispose]();
    },
  };
}

/** What the limit of `state` must have counted for these calls. */
export function sumFor(records: readonly RequestRecord[], { bound }: LimitState): number {
  let sum = 0;
  for (const { usage, cost, admitted } of records) {
    if (!admitted) continue;
    const { dimension } = bound.limit;
    if (dimension !== 'concurrency') sum += amountOf(bound.limit, amountsOf(usage, cost));
  }
  return sum;
}

/** The `data:` payloads of a stream of events, parsed; `[DONE]` as it is. Comments are left out. */
export function dataOf(text: string): readonly (Chunk | '[DONE]')[] {
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => (event === 'data: [DONE]' ? '[DONE]' : (JSON.parse(event.slice('data: '.length)) as Chunk)));
}

export interface Chunk {
  readonly choices?: readonly { readonly delta: { readonly content?: string; readonly role?: string } }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly error?: {
    readonly message: string;
    readonly type: string;
    readonly code: string;
    readonly headgate: object;
  };
}

/** How many events of a stream carry content; half an event carries none. */
export function contentEvents(text: string): number {
  return text.split('\n\n').filter((event) => /"content":"[^"].*\}$/s.test(event)).length;
}
