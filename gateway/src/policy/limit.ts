/**
 * What a limit is. A limit caps one dimension for one subject with one algorithm; a request is bound by
 * several at once and is admitted by all of them or by none.
 */

/** What is counted. `tokens` is input plus output; `cost` is integer nano-dollars; the rest are counts. */
export type Dimension = 'requests' | 'tokens' | 'inputTokens' | 'outputTokens' | 'cost' | 'concurrency';

/** Whose use is added up. */
export type Level = 'key' | 'organization';

/** What happens to a request over the limit: refused, or let through and reported. */
export type OnExceed = 'reject' | 'report';

/** Calendar periods, in the limit's IANA time zone. */
export type CalendarPeriod = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'year';

export type Algorithm =
  /** Never more than `amount` in any interval of `windowMs`, at any alignment. */
  | { kind: 'slidingWindow'; windowMs: number }
  /** GCRA: refills `amount` per `windowMs` continuously and holds at most `burst`. At most burst + amount x W / windowMs in any W. */
  | { kind: 'tokenBucket'; windowMs: number; burst: number }
  /** Never more than `amount` in one calendar period; starts anew at the period's first instant. */
  | { kind: 'calendar'; period: CalendarPeriod; timeZone: string }
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
  /** The window as people say it: `minute`, `month`, `10 minutes`; empty for concurrency. */
  readonly window: string;
  /** Where it is configured, `headgate.yaml:42`. */
  readonly source: string;
}

/** A limit together with the one whose use it adds up. */
export interface BoundLimit {
  readonly limit: Limit;
  /** The key id or organization id that is counted. */
  readonly subject: string;
  /** `limit.id` and subject in one string: the counter's name in every store. */
  readonly counter: string;
}

/** How much of each dimension a request takes. All are non-negative safe integers. */
export interface Amounts {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Integer nano-dollars. */
  readonly cost: number;
}

/** The part of `amounts` that a limit of this dimension counts. */
export function amountOf(dimension: Dimension, amounts: Amounts): number {
  switch (dimension) {
    case 'requests':
      return amounts.requests;
    case 'tokens':
      return amounts.inputTokens + amounts.outputTokens;
    case 'inputTokens':
      return amounts.inputTokens;
    case 'outputTokens':
      return amounts.outputTokens;
    case 'cost':
      return amounts.cost;
    case 'concurrency':
      return 1;
  }
}
