/**
 * What every algorithm can do, so that a store needs to know none of them.
 *
 * A counter adds up one limit's use by one subject. Times are milliseconds since the epoch, amounts are in the limit's own
 * unit; both are integers. A counter's time never goes back: an earlier `now` is taken for the latest one it was shown.
 */
import type { Limit } from './limit.ts';

/** How soon to ask again where it depends on what is locked: nobody knows when that is unlocked. In milliseconds. */
export const LOCKED_WAIT_MS = 1000;

export interface Counter {
  /** Brings the counter to `now`. Everything below speaks of the instant advanced to last. */
  advance(now: number): void;

  /** Settled use that still counts. */
  readonly used: number;
  /** Use that still counts and is held by requests in flight, or locked. */
  readonly reserved: number;
  /** The largest amount that passes now; never negative. */
  readonly remaining: number;
  /** When what is taken now may start: later than now only where an algorithm shapes. */
  readonly startsAt: number;
  /** When nothing counts any more, were nothing else to arrive; at most now when that is so already. */
  readonly emptyAt: number;

  /** The first instant at which a positive `amount` passes, were nothing else to arrive; at most now when it passes, Infinity when never. */
  passesAt(amount: number): number;

  /** Counts `amount`, whether it passes or not. */
  take(amount: number): Hold;

  /**
   * Sets `amount` aside: it counts until the hold is settled, and what is settled counts from that moment on.
   * @throws RangeError where amounts cannot be set aside.
   */
  lock(amount: number): Hold;

  /** Adds use that was settled at `at`, which is not later than now. */
  restore(used: number, at: number): void;

  /** Goes on under another definition with the use so far; false, changing nothing, when that is of another kind. */
  redefine(limit: Limit): boolean;

  /** Whether forgetting this counter would change no answer, neither now nor later. */
  readonly idle: boolean;
}

/** What one request in flight holds of one counter. Ends with exactly one {@link Hold.settle}. */
export interface Hold {
  readonly counter: Counter;
  /** What was taken. */
  readonly amount: number;
  /** Replaces the amount taken by the actual one, where it was taken. */
  settle(actual: number, now: number): void;
  /** Says that the request is still running. */
  renew(now: number): void;
}
