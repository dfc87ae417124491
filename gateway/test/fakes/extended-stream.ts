/** A stream that extends its reservation, at a store that answers when the test says so. */
import type { Target } from '../../src/call.ts';
import type { Refused } from '../../src/errors.ts';
import { type Coverage, extended, type Source } from '../../src/meter/extended.ts';
import { exactly } from '../../src/policy/demand.ts';
import type { Amounts, BoundLimit, Limit } from '../../src/policy/limit.ts';
import type { StreamReading } from '../../src/protocols/dialect.ts';
import type { Answer, Decision, LimitStore } from '../../src/stores/limit-store.ts';
import { MemoryLimitStore } from '../../src/stores/memory/index.ts';
import { callOf, targetOf } from '../protocols/openai/calls.ts';
import { turns } from './until.ts';
import { VirtualClock } from './virtual-clock.ts';

/** Output tokens reserved at first, and asked for at a time. */
export const STEP = 10;

/** A limit on output tokens a minute. */
export const outputLimit = (amount: number, overrun: Limit['overrun']): BoundLimit => {
  const limit: Limit = {
    id: `${overrun}.output`,
    dimension: 'outputTokens',
    amount,
    algorithm: { kind: 'slidingWindow', windowMs: 60_000 },
    per: 'key',
    onExceed: 'reject',
    maxWaitMs: 0,
    onStoreError: 'closed',
    overrun,
    sharing: 'exact',
    weights: null,
    window: 'minute',
    source: 'headgate.yaml:1',
  };
  return { limit, subject: 'acme.web', counter: `${limit.id}@acme.web`, shard: 'org:acme' };
};

export const output = (outputTokens: number): Amounts => ({
  requests: 0,
  inputTokens: 0,
  outputTokens,
  cost: 0,
  parts: null,
});

/** A provider's stream, of which the test reads tokens by hand. */
export class FakeSource implements Source {
  readonly target: Target = targetOf('m');
  readonly reading: StreamReading & { deliveredTokens: number; complete: boolean };
  readonly midEvent = false;
  readonly said: string[] = [];
  readonly #held: number;
  #sink: { data(bytes: Buffer): void; over(reason: Refused | null): void } | null = null;

  /** `held`: tokens that were read before it flowed. */
  constructor(held = 0) {
    this.#held = held;
    this.reading = { started: true, complete: false, error: null, usage: null, deliveredTokens: held, take: (b) => b };
  }

  flow(sink: { data(bytes: Buffer): void; over(reason: Refused | null): void }): void {
    this.#sink = sink;
    for (let token = 0; token < this.#held; token++) sink.data(Buffer.from('held '));
  }

  /** So many tokens come in one piece. */
  come(tokens: number): void {
    this.reading.deliveredTokens += tokens;
    this.#sink!.data(Buffer.from(`${tokens} `));
  }

  end(reason: Refused | null): void {
    this.#sink!.over(reason);
  }

  pause(): void {
    this.said.push('pause');
  }

  resume(): void {
    this.said.push('resume');
  }

  interrupt(reason: Refused): void {
    this.said.push(reason.code);
    this.#sink!.over(reason);
  }
}

interface Asked {
  readonly step: number;
  readonly tokens: number;
  answer(): Promise<void>;
  answerWith(decision: Decision | null): Promise<void>;
  fail(): Promise<void>;
}

interface Setting {
  readonly amount?: number;
  readonly overrun?: Limit['overrun'];
  readonly held?: number;
  /** The store answers at once, as one in this process does. */
  readonly atOnce?: boolean;
  /** The cap that the caller states. */
  readonly cap?: number;
}

/** A stream that holds 10 of `amount` output tokens, and asks for 10 at a time. */
export function startStream({ amount = 100, overrun = 'hard', held = 0, atOnce = false, cap = 1000 }: Setting) {
  const memory = new MemoryLimitStore(new VirtualClock());
  const { states } = memory.reserve('r', [outputLimit(amount, overrun)], exactly(output(STEP)));
  const asked: Asked[] = [];
  const extend = (id: string, step: number, more: Amounts): Answer<Decision | null> => {
    const { promise, resolve, reject } = Promise.withResolvers<Decision | null>();
    const then = async (settle: () => void) => {
      settle();
      await turns(1);
    };
    asked.push({
      step,
      tokens: more.outputTokens,
      answer: () => then(() => resolve(memory.extend(id, step, more))),
      answerWith: (decision) => then(() => resolve(decision)),
      fail: () => then(() => reject(new Error('away'))),
    });
    return atOnce ? memory.extend(id, step, more) : promise;
  };
  const limits = new Proxy<LimitStore>(memory, {
    get: (store, name) => (name === 'extend' ? extend : Reflect.get(store, name)),
  });
  const call = callOf(JSON.stringify({ model: 'alias', stream: true, max_tokens: cap, messages: [] }));
  const coverage: Coverage = {
    id: 'r',
    call: { ...call, model: { ...call.model, reserve: { output: STEP, step: STEP } } },
    coveredTokens: STEP,
    states,
    held: [],
  };
  const source = new FakeSource(held);
  const stream = extended(source, coverage, limits);
  const pieces: string[] = [];
  const over: (string | null)[] = [];
  stream.flow({
    data: (bytes) => void pieces.push(bytes.toString()),
    over: (why) => void over.push(why?.code ?? null),
  });
  return {
    source,
    stream,
    asked,
    memory,
    over,
    get text() {
      return pieces.join('');
    },
  };
}
