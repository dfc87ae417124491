/**
 * What a limit is. A limit caps one dimension for one subject with one algorithm; a request is bound by
 * several at once and is admitted by all of them or by none.
 */

/**
 * What is counted. `tokens` is input plus output; `weightedTokens` is tokens times their {@link Weights}; `cost` is integer
 * nano-dollars; the rest are counts.
 */
export type Dimension =
  | 'requests'
  | 'tokens'
  | 'inputTokens'
  | 'outputTokens'
  | 'weightedTokens'
  | 'cost'
  | 'concurrency';

/**
 * Whose use is added up. `tier` is everybody on a tier together, `target` everybody's calls to one target of a provider, and
 * `endUser` one user of the caller's own product, as the request names them.
 */
export type Level = 'organization' | 'team' | 'user' | 'key' | 'model' | 'tier' | 'endUser' | 'target';

/**
 * What happens to a request over the limit: refused; held back until it passes, for `maxWaitMs` at most; sent to the model's
 * `degradeTo` instead; or let through and reported. Whatever is let through is counted.
 */
export type OnExceed = 'reject' | 'queue' | 'degrade' | 'report';

/**
 * What a limit does while its store does not answer: each process enforces its share of the amount; nothing passes; or
 * everything does.
 */
export type OnStoreError = 'localShare' | 'closed' | 'open';

/** What becomes of a stream that needs more than it reserved and more than is left: cut at the limit, or finished into debt. */
export type Overrun = 'hard' | 'soft';

/** Every decision by the store, or most of them from a part of the amount that this process holds (for hot keys). */
export type Sharing = 'exact' | 'leased';

/** What a token of each kind counts, in thousandths of a token; non-negative safe integers. */
export interface Weights {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly reasoning: number;
  /** Audio tokens among input and output, whichever bucket they are in. */
  readonly audio: number;
}

/** Calendar periods, in the limit's IANA time zone. */
export type CalendarPeriod = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'year';

/** Where the periods of a calendar begin. */
export interface CalendarStart {
  /** The day a week begins with: 0 is Sunday, 1 Monday (ISO 8601), ... 6 Saturday. */
  readonly weekday: number;
  /** The day of the month on which a month (and, in January, a year) begins, 1 to 31; the last one where the month is shorter. */
  readonly day: number;
}

/** Weeks from Monday, months and years from their first day. */
export const CALENDAR_START: CalendarStart = { weekday: 1, day: 1 };

export type Algorithm =
  /** Never more than `amount` in any interval of `windowMs`, at any alignment. */
  | { kind: 'slidingWindow'; windowMs: number }
  /** GCRA: refills `amount` per `windowMs` continuously and holds at most `burst`. At most burst + amount x W / windowMs in any W. */
  | { kind: 'tokenBucket'; windowMs: number; burst: number }
  /** Shapes: what arrives faster than `amount` per `windowMs` starts later, and at most `burst` is waiting at a time. */
  | { kind: 'leakyBucket'; windowMs: number; burst: number }
  /** Never more than `amount` in one calendar period; starts anew at the period's first instant. */
  | { kind: 'calendar'; period: CalendarPeriod; timeZone: string; start: CalendarStart }
  /** Never more than `amount` at the same time. Each holder is a lease that expires when not renewed. */
  | { kind: 'concurrency'; leaseMs: number };

export interface Limit {
  /** Stable across reloads and shown to callers, e.g. `pro.requests-per-minute`. */
  readonly id: string;
  readonly dimension: Dimension;
  /** The cap, a positive safe integer (0 refuses everything): requests, tokens or nano-dollars. */
  readonly amount: number;
  readonly algorithm: Algorithm;
  readonly per: Level;
  readonly onExceed: OnExceed;
  /** How long `queue` holds a request back at most, in milliseconds. */
  readonly maxWaitMs: number;
  readonly onStoreError: OnStoreError;
  readonly overrun: Overrun;
  readonly sharing: Sharing;
  /** For `weightedTokens`; null for every other dimension. */
  readonly weights: Weights | null;
  /** The window as people say it: `minute`, `month`, `10 minutes`; empty for concurrency. */
  readonly window: string;
  /** Where it is configured, `headgate.yaml:42`. */
  readonly source: string;
}

/** A limit together with the one whose use it adds up. */
export interface BoundLimit {
  readonly limit: Limit;
  /** The id of the key, organization, model ... that is counted. */
  readonly subject: string;
  /** `limit.id` and subject in one string: the counter's name in every store. */
  readonly counter: string;
  /**
   * What is counted together in one step of a distributed store: `org:<name>` for whatever belongs to one organization,
   * `tier:<name>`, `model:<name>` or `target:<id>` for what organizations share.
   */
  readonly shard: string;
}

/**
 * How much of each dimension a request takes. All are non-negative safe integers. `requests` is also what it takes of concurrency.
 * Input includes cache reads and writes, output includes reasoning; the parts are named so that they can be weighted.
 */
export interface Amounts {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Integer nano-dollars. */
  readonly cost: number;
  readonly parts: TokenParts | null;
}

/** What a call takes that was never made. */
export const NOTHING: Amounts = { requests: 0, inputTokens: 0, outputTokens: 0, cost: 0, parts: null };

/** How many of the input and output tokens are of a kind that may weigh differently. */
export interface TokenParts {
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
  readonly audioInput: number;
  readonly audioOutput: number;
}

/** What `limit` counts of `amounts`. */
export function amountOf({ dimension, weights }: Limit, amounts: Amounts): number {
  switch (dimension) {
    case 'requests':
    case 'concurrency':
      return amounts.requests;
    case 'tokens':
      return amounts.inputTokens + amounts.outputTokens;
    case 'inputTokens':
      return amounts.inputTokens;
    case 'outputTokens':
      return amounts.outputTokens;
    case 'weightedTokens':
      return weighted(amounts, weights!);
    case 'cost':
      return amounts.cost;
  }
}

/** Whether output counts against the limit, and may be stopped by it. */
export function bindsOutput({ onExceed, dimension }: Limit): boolean {
  return (
    onExceed !== 'report' && dimension !== 'requests' && dimension !== 'concurrency' && dimension !== 'inputTokens'
  );
}

/** Whether no output goes beyond the limit. */
export function endsOutput(limit: Limit): boolean {
  return limit.overrun === 'hard' && bindsOutput(limit);
}

/** The largest amount that `limit` can ever admit at once. */
export function capacityOf({ amount, algorithm }: Limit): number {
  if (amount === 0) return 0;
  return algorithm.kind === 'tokenBucket' || algorithm.kind === 'leakyBucket' ? algorithm.burst : amount;
}

/**
 * Tokens by weight, in whole tokens, rounded up. Without parts (before the answer nobody knows them) every input token counts as
 * the heaviest input could, and every output token as the heaviest output could.
 */
function weighted({ inputTokens, outputTokens, parts }: Amounts, weights: Weights): number {
  if (parts === null) {
    const input = Math.max(weights.input, weights.cacheRead, weights.cacheWrite);
    return Math.ceil((inputTokens * input + outputTokens * Math.max(weights.output, weights.reasoning)) / 1000);
  }
  const { cacheRead, cacheWrite, reasoning, audioInput, audioOutput } = parts;
  const thousandths =
    (inputTokens - cacheRead - cacheWrite - audioInput) * weights.input +
    cacheRead * weights.cacheRead +
    cacheWrite * weights.cacheWrite +
    (outputTokens - reasoning - audioOutput) * weights.output +
    reasoning * weights.reasoning +
    (audioInput + audioOutput) * weights.audio;
  return Math.ceil(Math.max(0, thousandths) / 1000);
}
