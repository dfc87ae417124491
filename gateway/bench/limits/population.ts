/**
 * Who asks the stores in the benchmarks, and of which limits: 100,000 keys of 10,000 organizations under up to twelve limits of
 * four kinds at three levels, found the way the gateway finds them. Nothing is ever over its limit.
 */
import { ApplicableLimits, type Rule, SharedLimits } from '../../src/policy/applicable.ts';
import type { Demand } from '../../src/policy/demand.ts';
import {
  type Algorithm,
  type Amounts,
  type BoundLimit,
  CALENDAR_START,
  type Dimension,
  type Level,
  type Limit,
  type Sharing,
} from '../../src/policy/limit.ts';
import { seeded, shuffled } from '../statistics.ts';

export const KEYS = 100_000;
const ORGANIZATIONS = 10_000;

/** What a request reserves: the traffic of the HTTP scenarios, whose output is capped. Cost is in nano-dollars. */
const WORST: Amounts = { requests: 1, inputTokens: 243, outputTokens: 512, cost: 458_200, parts: null };
export const DEMAND: Demand = { wanted: WORST, needed: WORST, certain: { ...WORST, inputTokens: 121, cost: 433_800 } };

/** What it turns out to have used. */
export const ACTUAL: Amounts = {
  requests: 1,
  inputTokens: 243,
  outputTokens: 299,
  cost: 287_800,
  parts: { cacheRead: 0, cacheWrite: 0, reasoning: 0, audioInput: 0, audioOutput: 0 },
};

const MINUTE_MS = 60_000;

interface Kind {
  readonly dimension: Dimension;
  readonly amount: number;
  readonly algorithm: Algorithm;
}

const REQUESTS: Kind = {
  dimension: 'requests',
  amount: 1_000_000_000,
  algorithm: { kind: 'slidingWindow', windowMs: MINUTE_MS },
};
/** Refills slowly under a burst that is never used up, so that what was taken is owed for a while, as it is in life. */
const TOKENS: Kind = {
  dimension: 'tokens',
  amount: 90_000,
  algorithm: { kind: 'tokenBucket', windowMs: MINUTE_MS, burst: 1_000_000_000_000 },
};
const COST: Kind = {
  dimension: 'cost',
  amount: 4_000_000_000_000_000,
  algorithm: { kind: 'calendar', period: 'month', timeZone: 'UTC', start: CALENDAR_START },
};
const CONCURRENCY: Kind = {
  dimension: 'concurrency',
  amount: 1_000_000,
  algorithm: { kind: 'concurrency', leaseMs: 120_000 },
};

const KINDS = [REQUESTS, TOKENS, COST, CONCURRENCY];
const LEVELS: readonly Level[] = ['key', 'organization', 'tier'];

function limitOf(kind: Kind, per: Level, sharing: Sharing): Limit {
  return {
    id: `load.${kind.dimension}-per-${per}`,
    ...kind,
    per,
    onExceed: 'reject',
    maxWaitMs: 0,
    onStoreError: 'localShare',
    overrun: 'soft',
    sharing,
    weights: null,
    window: '',
    source: 'headgate.yaml:1',
  };
}

/** For the key `name`, the first `count` of those that can be leased; the requests in a bucket of `atMost` a second unless that is null. */
export function hotKey(name: string, sharing: Sharing, count: number, atMost: number | null): readonly BoundLimit[] {
  const perSecond = atMost !== null && {
    amount: atMost,
    algorithm: { kind: 'tokenBucket', windowMs: 1_000, burst: atMost } as const,
  };
  const requests = limitOf({ ...REQUESTS, ...perSecond }, 'key', sharing);
  const limits = [requests, limitOf(TOKENS, 'key', sharing), limitOf(COST, 'key', sharing)].slice(0, count);
  return binder(limits)(`hot.${name}`, 'hot');
}

/** Finds the limits that bind a key, as the gateway does. */
function binder(limits: readonly Limit[]) {
  const rules = limits.map((limit): Rule => ({ limit, place: 'tier', models: null }));
  const shared = new SharedLimits(new Map());
  const models = new Set(['chat']);
  return (keyId: string, organization: string): readonly BoundLimit[] => {
    const member = { tier: 'load', organization, team: null, user: null, keyId, models };
    return new ApplicableLimits(member, [rules], shared).of('chat', null);
  };
}

/** For each of `keys`, the first `count` of what binds it: requests, tokens, cost and concurrency per key, per organization, per tier. */
export function population(count: number, keys = KEYS): (readonly BoundLimit[])[] {
  const limits = LEVELS.flatMap((per) => KINDS.map((kind) => limitOf(kind, per, 'exact'))).slice(0, count);
  const bind = binder(limits);
  return Array.from({ length: keys }, (_, key) => {
    const organization = `org${key % ORGANIZATIONS}`;
    return bind(`${organization}.key${key}`, organization);
  });
}

/** Which keys ask, in order: Zipf's law with exponent 1 over keys in random order. Half of the requests come from a few hundred keys. */
export function askers(length: number): Uint32Array {
  const random = seeded(11);
  const byRank = shuffled([...Array(KEYS).keys()], random);
  return Uint32Array.from({ length }, () => byRank[Math.floor(KEYS ** random()) - 1]!);
}
