/** Limits for tests, in one line each. */
import { type Demand, exactly } from '../../src/policy/demand.ts';
import type { Algorithm, Amounts, BoundLimit, Dimension, Limit } from '../../src/policy/limit.ts';

/** A limit of `amount` tokens unless said otherwise. */
export function limitOf(amount: number, algorithm: Algorithm, over: Partial<Limit> = {}): Limit {
  return {
    id: 'test.limit',
    dimension: algorithm.kind === 'concurrency' ? 'concurrency' : 'tokens',
    amount,
    algorithm,
    per: 'key',
    onExceed: 'reject',
    maxWaitMs: 0,
    onStoreError: 'localShare',
    overrun: 'hard',
    sharing: 'exact',
    weights: null,
    window: '',
    source: 'headgate.yaml:1',
    ...over,
  };
}

export function bind(limit: Limit, subject = 'acme.web'): BoundLimit {
  return { limit, subject, counter: `${limit.id}@${subject}`, shard: 'org:acme' };
}

/** One request of `amount` in every dimension but for requests and concurrency; `tokens` counts it once. */
export function amounts(amount: number, dimension: Dimension = 'tokens'): Amounts {
  return {
    requests: dimension === 'requests' ? amount : 1,
    inputTokens: amount,
    outputTokens: 0,
    cost: amount,
    parts: null,
  };
}

/** A demand for exactly that. */
export function demand(amount: number, dimension: Dimension = 'tokens'): Demand {
  return exactly(amounts(amount, dimension));
}
