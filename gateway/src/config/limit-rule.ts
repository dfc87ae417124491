/** From a limit as written to the rule it means: one dimension, one algorithm, all defaults decided. Pure. */
import type {
  Algorithm,
  Dimension,
  Level,
  Limit,
  OnExceed,
  OnStoreError,
  Overrun,
  Sharing,
  Weights,
} from '../policy/limit.ts';
import { algorithmOf, type RuleAlgorithm, type WEEKDAYS } from './limit-algorithm.ts';
import type { Rate } from './rate.ts';

/** Weights as written, in thousandths. */
export type WrittenWeights = { readonly [kind in keyof Weights]?: number | undefined };

/** A limit as the schema read it. */
export interface WrittenLimit {
  readonly requests?: Rate | undefined;
  readonly tokens?: Rate | undefined;
  readonly inputTokens?: Rate | undefined;
  readonly outputTokens?: Rate | undefined;
  readonly weightedTokens?: Rate | undefined;
  readonly cost?: Rate | undefined;
  readonly concurrency?: number | undefined;
  readonly weights?: WrittenWeights | undefined;
  readonly per: Level;
  readonly models?: readonly string[] | undefined;
  readonly algorithm?: Algorithm['kind'] | undefined;
  readonly burst?: string | undefined;
  readonly timeZone?: string | undefined;
  readonly weekStart?: (typeof WEEKDAYS)[number] | undefined;
  readonly anchorDay?: number | undefined;
  readonly onExceed: OnExceed;
  /** Milliseconds. */
  readonly maxWait?: number | undefined;
  readonly onStoreError?: OnStoreError | undefined;
  readonly overrun?: Overrun | undefined;
  readonly mode: Sharing;
  readonly name?: string | undefined;
}

/** A limit with everything decided but whose it is. */
export interface LimitRule extends Omit<Limit, 'id' | 'source' | 'algorithm'> {
  readonly algorithm: RuleAlgorithm;
  /** Names and patterns of the models whose calls it counts; null: all. */
  readonly models: readonly string[] | null;
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

export const DIMENSIONS = [
  'requests',
  'tokens',
  'inputTokens',
  'outputTokens',
  'weightedTokens',
  'cost',
  'concurrency',
] as const;

/** How long `queue` holds a call back unless written, in milliseconds. */
const MAX_WAIT_MS = 2000;

const SLUGS: Readonly<Record<Dimension, string>> = {
  requests: 'requests',
  tokens: 'tokens',
  inputTokens: 'input-tokens',
  outputTokens: 'output-tokens',
  weightedTokens: 'weighted-tokens',
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
  const algorithm = algorithmOf(written, dimension, rate);
  if ('problem' in algorithm) return algorithm;
  const weights = weightsOf(written.weights, dimension);
  if (weights !== null && 'problem' in weights) return weights;
  const contradiction = contradictionIn(written, algorithm);
  if (contradiction !== null) return contradiction;
  const { per, models = null, onExceed, mode, name } = written;
  return {
    rule: {
      dimension,
      amount: rate === null ? written.concurrency! : rate.amount,
      algorithm,
      per,
      models,
      onExceed,
      maxWaitMs: onExceed === 'queue' ? (written.maxWait ?? MAX_WAIT_MS) : 0,
      onStoreError: written.onStoreError ?? defaultOnStoreError(dimension, algorithm, onExceed),
      overrun: written.overrun ?? defaultOverrun(dimension, algorithm, onExceed),
      sharing: mode,
      weights,
      window: rate === null ? '' : rate.window.words,
      slug: name ?? (rate === null ? SLUGS[dimension] : `${SLUGS[dimension]}-per-${rate.window.slug}`),
      named: name !== undefined,
    },
  };
}

function weightsOf(written: WrittenWeights | undefined, dimension: Dimension): Weights | RuleProblem | null {
  if (dimension !== 'weightedTokens') {
    return written === undefined ? null : { key: 'weights', problem: 'only a limit on weightedTokens has weights' };
  }
  const { input = 1000, cacheRead = 100, cacheWrite = 1250, output = 1000, audio = 1000 } = written ?? {};
  const weights = { input, cacheRead, cacheWrite, output, reasoning: written?.reasoning ?? output, audio };
  if (Object.values(weights).some((weight) => weight > 0)) return weights;
  return { key: 'weights', problem: 'every weight is 0, so nothing would be counted' };
}

function contradictionIn(written: WrittenLimit, { kind }: RuleAlgorithm): RuleProblem | null {
  const { onExceed, maxWait, onStoreError, overrun } = written;
  if (maxWait !== undefined && onExceed !== 'queue' && kind !== 'leakyBucket') {
    return { key: 'maxWait', problem: 'only a limit with onExceed: queue, and a leakyBucket, make calls wait' };
  }
  if (onExceed !== 'report') return null;
  if (onStoreError === 'closed') {
    return { key: 'onStoreError', problem: 'a limit that only reports refuses nothing, so it cannot be closed' };
  }
  if (overrun !== 'hard') return null;
  return { key: 'overrun', problem: 'a limit that only reports ends no stream, so it cannot be hard' };
}

/** Hard budgets are money, and tokens of a day and longer, by the calendar: while nobody can count them, nothing is spent. */
function defaultOnStoreError(dimension: Dimension, algorithm: RuleAlgorithm, onExceed: OnExceed): OnStoreError {
  if (algorithm.kind !== 'calendar' || onExceed === 'report') return 'localShare';
  if (dimension === 'cost') return 'closed';
  const isLong = algorithm.period !== 'minute' && algorithm.period !== 'hour';
  return isLong && dimension !== 'requests' ? 'closed' : 'localShare';
}

/** What `overrun` is where it is not written. */
export function defaultOverrun(dimension: Dimension, { kind }: RuleAlgorithm, onExceed: OnExceed): Overrun {
  return onExceed !== 'report' && (dimension === 'cost' || kind === 'calendar') ? 'hard' : 'soft';
}
