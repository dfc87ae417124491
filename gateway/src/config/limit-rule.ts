/** From a limit as written to the rule it means: one dimension, one algorithm, all defaults decided. Pure. */
import type { Algorithm, Dimension, Level, Limit, OnExceed } from '../policy/limit.ts';
import { bucketFits } from '../policy/token-bucket.ts';
import { type Parsed, parseCount, parseMoney } from './quantity.ts';
import type { Rate, Window } from './rate.ts';

/** A limit as the schema read it. */
export interface WrittenLimit {
  readonly requests?: Rate | undefined;
  readonly tokens?: Rate | undefined;
  readonly inputTokens?: Rate | undefined;
  readonly outputTokens?: Rate | undefined;
  readonly cost?: Rate | undefined;
  readonly concurrency?: number | undefined;
  readonly per: Level;
  readonly algorithm?: Algorithm['kind'] | undefined;
  readonly burst?: string | undefined;
  readonly timeZone?: string | undefined;
  readonly onExceed: OnExceed;
  readonly name?: string | undefined;
}

/** A limit with everything decided but whose it is. */
export interface LimitRule extends Omit<Limit, 'id' | 'source'> {
  /** What its id ends in: its own name, or `tokens-per-minute`. */
  readonly slug: string;
  /** Whether `slug` was chosen by hand, so that it may not be changed to make it unique. */
  readonly named: boolean;
}

/** What is wrong with a limit, and with which of its keys; null: with the limit as a whole. */
export interface RuleProblem {
  readonly key: string | null;
  readonly problem: string;
}

export const DIMENSIONS = ['requests', 'tokens', 'inputTokens', 'outputTokens', 'cost', 'concurrency'] as const;

/** How long a holder of concurrency may go unrenewed before its slot is taken back, in milliseconds. */
const LEASE_MS = 120_000;
const HOUR_MS = 3_600_000;

const SLUGS: Readonly<Record<Dimension, string>> = {
  requests: 'requests',
  tokens: 'tokens',
  inputTokens: 'input-tokens',
  outputTokens: 'output-tokens',
  cost: 'cost',
  concurrency: 'concurrency',
};

/**
 * The rule that a written limit means. Defaults: with a burst a token bucket; a window of up to an hour, or one given as a
 * length, slides; a day, week, month or year follows the calendar.
 */
export function ruleOf(written: WrittenLimit): { rule: LimitRule } | RuleProblem {
  const dimensions = DIMENSIONS.filter((dimension) => written[dimension] !== undefined);
  const dimension = dimensions[0];
  if (dimension === undefined || dimensions.length > 1) {
    const found = dimensions.length === 0 ? '' : `, found ${dimensions.join(' and ')}`;
    return { key: null, problem: `expected exactly one of ${DIMENSIONS.join(', ')}${found}` };
  }
  const rate = dimension === 'concurrency' ? null : written[dimension]!;
  const algorithm = rate === null ? concurrency(written) : algorithmOf(written, dimension, rate);
  if ('problem' in algorithm) return algorithm;
  const common = {
    dimension,
    algorithm,
    per: written.per,
    onExceed: written.onExceed,
    named: written.name !== undefined,
  };
  if (rate === null) {
    const slug = written.name ?? SLUGS.concurrency;
    return { rule: { ...common, amount: written.concurrency!, window: '', slug } };
  }
  const slug = written.name ?? `${SLUGS[dimension]}-per-${rate.window.slug}`;
  return { rule: { ...common, amount: rate.amount, window: rate.window.words, slug } };
}

function concurrency(written: WrittenLimit): Algorithm | RuleProblem {
  if (written.burst !== undefined) return { key: 'burst', problem: 'a concurrency limit has no burst' };
  if (written.timeZone !== undefined) return { key: 'timeZone', problem: 'a concurrency limit has no time zone' };
  if (written.algorithm !== undefined && written.algorithm !== 'concurrency') {
    return { key: 'algorithm', problem: 'a concurrency limit has no other algorithm; leave it out' };
  }
  return { kind: 'concurrency', leaseMs: LEASE_MS };
}

function algorithmOf(written: WrittenLimit, dimension: Dimension, rate: Rate): Algorithm | RuleProblem {
  const kind = written.algorithm ?? defaultAlgorithm(rate.window, written.burst !== undefined);
  if (written.burst !== undefined && kind !== 'tokenBucket') {
    return { key: 'burst', problem: `only a tokenBucket has a burst, and this limit is a ${kind}` };
  }
  if (written.timeZone !== undefined && kind !== 'calendar') {
    return { key: 'timeZone', problem: `only a calendar limit has a time zone, and this limit is a ${kind}` };
  }
  const key = written.algorithm === undefined ? 'burst' : 'algorithm';
  switch (kind) {
    case 'calendar':
      if (rate.window.period === null) {
        return { key, problem: 'a calendar limit needs minute, hour, day, week, month or year as its window' };
      }
      return { kind, period: rate.window.period, timeZone: written.timeZone ?? 'UTC' };
    case 'slidingWindow':
      if (rate.window.ms === null) return { key, problem: noFixedLength(rate.window, kind) };
      return { kind, windowMs: rate.window.ms };
    case 'tokenBucket': {
      if (rate.window.ms === null) return { key, problem: noFixedLength(rate.window, kind) };
      const burst = burstOf(written.burst, dimension, rate);
      if ('problem' in burst) return { key: 'burst', problem: burst.problem };
      if (!bucketFits(rate.amount, rate.window.ms, burst.value)) {
        return {
          key: dimension,
          problem:
            'a token bucket of this amount, window and burst cannot be counted exactly; use a rounder amount or a smaller burst',
        };
      }
      return { kind, windowMs: rate.window.ms, burst: burst.value };
    }
    case 'concurrency':
      return { key: 'algorithm', problem: `the algorithm concurrency is only for concurrency limits` };
  }
}

function defaultAlgorithm(window: Window, burst: boolean): Algorithm['kind'] {
  if (burst) return 'tokenBucket';
  return window.period === null || (window.ms !== null && window.ms <= HOUR_MS) ? 'slidingWindow' : 'calendar';
}

function burstOf(written: string | undefined, dimension: Dimension, rate: Rate): Parsed<number> {
  if (written === undefined) return { value: rate.amount };
  return dimension === 'cost' ? parseMoney(written) : parseCount(written);
}

function noFixedLength(window: Window, kind: string): string {
  const length = window.period === 'year' ? '24h or 7d' : '7d';
  return `a ${window.words} has no fixed length, so it cannot be a ${kind}; use a length such as ${length}`;
}
