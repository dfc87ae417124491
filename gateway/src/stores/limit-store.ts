/** The contract of every limit store: memory, and Redis behind the same conformance suite. */
import type { Demand } from '../policy/demand.ts';
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
  /** What the decision took of it; 0 when it was refused. */
  readonly taken: number;
  /** Milliseconds until nothing counts against the limit any more, were nothing else to arrive; 0 when that is now. */
  readonly resetMs: number;
  /** Milliseconds until the reserve in question could pass this limit; 0 when it passes now; Infinity when never. */
  readonly retryAfterMs: number;
}

export interface Admission {
  readonly admitted: true;
  readonly states: readonly LimitState[];
  /** Milliseconds to wait before the request starts: what leaky buckets ask for; 0 mostly. */
  readonly delayMs: number;
}

export interface Refusal {
  readonly admitted: false;
  /** The index in `states` of the limit that binds longest (one that can never be passed binds longest of all). */
  readonly binding: number;
  readonly states: readonly LimitState[];
  /** Nothing is known to be used up: the store did not answer, and the binding limit lets nothing through unseen. */
  readonly unavailable?: true;
}

export type Decision = Admission | Refusal;

/** What a store in this process answers at once, and one across the network with a promise: callers `await`. */
export type Answer<T> = T | Promise<T>;

/**
 * Counts use against limits. Every call is atomic over all limits of a shard, and over all limits of a request where the store
 * can be (a store that cannot takes the shards in a fixed order and gives back what it took when a later one refuses).
 */
export interface LimitStore {
  /**
   * Takes of every limit what {@link Demand} says, or of none. A refusal changes nothing. Limits whose `onExceed` is `report`
   * never refuse; they are counted all the same.
   * Repeating a reserve with an id that is held answers as the first did and takes nothing more.
   */
  reserve(id: string, limits: readonly BoundLimit[], demand: Demand): Answer<Decision>;

  /**
   * Takes `more` of the limits that `id` reserved, on top; or nothing. `step` numbers the extensions of one id from 1: a repeated
   * one answers and takes nothing more. Null when the id holds nothing.
   */
  extend(id: string, step: number, more: Amounts): Answer<Decision | null>;

  /**
   * Replaces what `id` took by what it really used, in the windows it was taken from (the latest extension takes what is over),
   * and gives its concurrency back. Exactly once: a second call with the same id does nothing and answers false. An id that holds
   * nothing is over for a lease: should its reserve arrive late, it takes nothing.
   */
  settle(id: string, actual: Amounts): Answer<boolean>;

  /** Counts use that is over, whether it passes or not. Exactly once by id; false when it was counted before. */
  charge(id: string, limits: readonly BoundLimit[], actual: Amounts): Answer<boolean>;

  /** Extends the leases of requests that are still running. */
  renew(ids: readonly string[]): Answer<void>;

  /**
   * The state of each limit now, reserving nothing. `retryAfterMs` is that of a reserve of `demand`; without one, of the smallest
   * amount there is.
   */
  read(limits: readonly BoundLimit[], demand?: Demand): Answer<readonly LimitState[]>;

  /** How many reservations are held: 0 when nothing is in flight. */
  held(): Answer<number>;

  close(): Answer<void>;
}

/** What becomes of a reservation whose holder is gone: it counts as it was reserved, or not at all. */
export type Orphans = 'charge' | 'refund';

/** How long a reservation is held without being renewed, in milliseconds, unless configured. */
export const LEASE_MS = 120_000;

/**
 * A store of which processes can hold parts, to decide by themselves. Locked units count against a limit from the lock until the
 * unlock, and what was used of them counts as used at the unlock: never earlier than it was, so that a part adds nothing to
 * what its limit may admit in any window.
 */
export interface LockingStore extends LimitStore {
  /**
   * Sets aside, of each of `limits`, as much as is free of `wanted`, but at least `needed` (by index, in the limit's unit); or
   * nothing of any. Held under `id` like a reservation, {@link LimitStore.renew} included.
   */
  lock(
    id: string,
    limits: readonly BoundLimit[],
    wanted: readonly number[],
    needed: readonly number[],
  ): Answer<Decision>;

  /** Ends a lock, exactly once: of each limit, `used` counts from now on and the rest is free. False when `id` holds nothing. */
  unlock(id: string, used: readonly number[]): Answer<boolean>;
}
