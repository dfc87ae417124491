/** The contract of every limit store: memory today, Redis behind the same conformance suite. */
import type { Amounts, BoundLimit } from '../policy/limit.ts';

/** The live state of one limit for one subject, as of one decision. All amounts in the limit's own unit. */
export interface LimitState {
  readonly bound: BoundLimit;
  /** Settled use that still counts against the limit. */
  readonly used: number;
  /** Use held by requests in flight. */
  readonly reserved: number;
  /** What a request could still take now, never negative. */
  readonly remaining: number;
  /** Milliseconds until nothing counts against the limit any more, were nothing else to arrive; 0 when that is now. */
  readonly resetMs: number;
  /** Milliseconds until the reserve in question could pass this limit; 0 when it passes now; Infinity when never. */
  readonly retryAfterMs: number;
}

export type Decision =
  | { readonly admitted: true; readonly states: readonly LimitState[] }
  | {
      readonly admitted: false;
      /** The index in `states` of the limit that binds longest (one that can never be passed binds longest of all). */
      readonly binding: number;
      readonly states: readonly LimitState[];
    };

/**
 * Counts use against limits. Every call is atomic over all limits of a request.
 * A store in this process answers at once, one across the network with a promise: callers `await`.
 */
export interface LimitStore {
  /**
   * Takes `amounts` from every limit, or from none. A refusal changes nothing. Limits whose `onExceed` is `report`
   * never refuse; they are counted all the same.
   * Repeating a reserve with an id that is held answers as the first did and takes nothing more.
   */
  reserve(id: string, limits: readonly BoundLimit[], amounts: Amounts): Decision | Promise<Decision>;

  /**
   * Replaces what `id` reserved by what it really used, in the window it was taken from, and gives its
   * concurrency back. Exactly once: a second call with the same id does nothing and answers false.
   */
  settle(id: string, actual: Amounts): boolean | Promise<boolean>;

  /** Extends the leases of a request that is still running. */
  renew(id: string): void | Promise<void>;

  /** The state of each limit now, reserving nothing. */
  read(limits: readonly BoundLimit[]): readonly LimitState[] | Promise<readonly LimitState[]>;

  /** Adds use that was settled before this store started (a restart), in the window that contains `atMs`. */
  restore(bound: BoundLimit, used: number, atMs: number): void | Promise<void>;

  /** How many reservations are held: 0 when nothing is in flight. */
  held(): number | Promise<number>;

  close(): void | Promise<void>;
}
