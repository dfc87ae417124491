/**
 * What this process holds of one counter, in one calendar period: the locks, and what became of their units. No I/O.
 *
 * Bound: nothing is admitted over the limit. A unit spent here counts in the store from its lock, which is earlier, to the
 * unlock that reports it, and as used from then on, which is later; so every window has counted it for at least as long as it should.
 *
 * Invariants
 *  (1) units is the sum over the locks, and left = units - used - inFlight. Requests take only what is left; what a request uses
 *      beyond what it took is overage, as in every store, and may bring it below 0 until an unlock reports it.
 *  (2) A lock ends only when the locks that stay cover what is in flight: which unit is of which lock makes no difference.
 *  (3) Units are spent before `spendUntil` or not at all: the period they were locked in has not ended, and the store still holds them.
 */
import { LOCKED_WAIT_MS } from '../../policy/counter.ts';
import { type BoundLimit, capacityOf } from '../../policy/limit.ts';
import type { LimitState } from '../limit-store.ts';
import { Pace } from './pace.ts';

export interface Lock {
  readonly id: string;
  readonly units: number;
  /** When the store was asked for it; monotonic, like every time here. */
  readonly at: number;
  /** The store holds it at least until then. */
  heldUntil: number;
}

/** The store refused to lock `units` more, until an instant. */
interface Refused {
  readonly units: number;
  readonly until: number;
}

/** How much of what remains one process asks for at most, so that parts shrink as the limit is used up. */
const SHARE = 1 / 4;
/** How much of the latest period's use a part is to cover. */
const COVER = 1.5;
/**
 * Which part of the time to a period's end its units may be spent in. The time is measured from before the store was asked, so that
 * clocks that differ do not matter; clocks that run at different rates differ by far less than this leaves.
 */
const SPENDABLE = 0.999;
/** Periods are a minute long or longer, and no call takes half of that: an end that is later by this is that of another period. */
const ANOTHER_PERIOD_MS = 30_000;

/** Below any amount. */
export const NEVER = Number.NEGATIVE_INFINITY;

export class Part {
  readonly bound: BoundLimit;
  readonly pace: Pace;
  /** The oldest first. */
  readonly locks: Lock[] = [];
  units = 0;
  /** Settled, and not reported yet. */
  used = 0;
  /** Taken by requests that have not settled. */
  inFlight = 0;
  /** Needed by requests that wait for `flight`. */
  waiting = 0;
  /** The one call under way that will bring more. */
  flight: Promise<void> | null = null;
  /** Replaced by another part: it only ends. */
  retired = false;
  spendUntil = Number.POSITIVE_INFINITY;
  /** More is fetched ahead when less than this is left. */
  aheadBelow = NEVER;
  /** So little remains that each request locks what it needs, and gives it back as soon as it settles. */
  tight = false;
  /** Of a calendar: when the period ends, at the earliest, and until when its units are spent. */
  #periodEndsAt = Number.NEGATIVE_INFINITY;
  #periodSpentUntil = Number.NEGATIVE_INFINITY;
  #refused: Refused | null = null;
  /** Refused since the store said so. */
  #turnedAway = 0;
  /** The latest word of the store, without what is held here. */
  #usedElsewhere = 0;
  #reservedElsewhere = 0;
  #remaining = 0;
  #resetMs = 0;
  #resetAt = 0;
  #overMs = 0;

  constructor(bound: BoundLimit, pace: Pace = new Pace()) {
    this.bound = bound;
    this.pace = pace;
  }

  get left(): number {
    return this.units - this.used - this.inFlight;
  }

  get isEmpty(): boolean {
    return this.locks.length === 0 && this.inFlight === 0 && this.waiting === 0 && this.flight === null;
  }

  take(amount: number): void {
    this.inFlight += amount;
    this.pace.took(amount);
  }

  /** Ends what a request took: it used `actual`, 0 when it was never let through. */
  settle(taken: number, actual: number): void {
    this.inFlight -= taken;
    this.used += actual;
    if (actual < taken) this.#refused = null;
  }

  /** How much more to lock so that `needed` is there: at most a lock of it can ever pass. */
  shortOf(needed: number): number {
    const short = needed - this.left;
    return this.bound.limit.onExceed === 'report' ? short : Math.min(short, capacityOf(this.bound.limit));
  }

  /**
   * Whether the store's latest word refuses `short` more. A hot counter takes a refusal for one of everything larger, too;
   * otherwise a larger amount asks, since it may have to wait longer.
   */
  refuses(short: number, now: number): boolean {
    const refused = this.#refused;
    if (refused === null || now >= refused.until) return false;
    return short === refused.units || (short > refused.units && this.pace.isHotAt(now));
  }

  turnAway(needed: number): void {
    this.#turnedAway += needed;
  }

  /** How much to ask of the store where `short` more has to be had. */
  wanted(short: number, now: number): number {
    const waiting = this.waiting - this.left;
    const turnedAway = this.pace.isHotAt(now) ? this.#turnedAway : 0;
    return Math.max(short, waiting, turnedAway, this.aheadAt(now));
  }

  /** How much to lock for requests that nobody has seen yet. */
  aheadAt(now: number): number {
    const share = Math.max(Math.floor(this.#remaining * SHARE), this.pace.leastAt(now));
    return Math.min(Math.ceil(this.pace.unitsAt(now) * COVER), share) - this.left;
  }

  /**
   * The store locked what `state` says was taken, of which `short` was needed. False, adding nothing, when that is of another period
   * than the locks here: then this part is over.
   */
  add(id: string, state: LimitState, short: number, sentAt: number, heldUntil: number): boolean {
    if (this.#isCalendar && !this.#followPeriod(sentAt, state.resetMs)) {
      this.spendUntil = Number.NEGATIVE_INFINITY;
      return false;
    }
    this.locks.push({ id, units: state.taken, at: sentAt, heldUntil });
    this.units += state.taken;
    // That was all there is: a hot counter does not ask for each unit that comes free.
    const pauseMs = state.remaining === 0 ? this.pace.pauseAt(sentAt) : 0;
    this.#refused = pauseMs === 0 ? null : { units: 1, until: sentAt + pauseMs };
    this.#hear(state, sentAt);
    this.tight = state.remaining * SHARE < short;
    // Where no more was locked than somebody waits for, nobody knows whether anybody else will come.
    const ahead = !this.tight && state.taken > Math.max(short, this.waiting);
    this.aheadBelow = ahead ? Math.floor(this.left / 2) : NEVER;
    this.update();
    return true;
  }

  /** The store refused to lock `short`. */
  refuse(state: LimitState, short: number, sentAt: number, now: number): void {
    this.#hear(state, sentAt);
    this.tight = true;
    this.#refused = { units: short, until: now + Math.max(state.retryAfterMs, this.pace.pauseAt(now)) };
  }

  /** What the unlock of `lock` would report as used; -1 while it is needed for what is in flight. */
  reportOf(lock: Lock): number {
    const { left, used } = this;
    const report = left < 0 ? lock.units - left : Math.min(used, lock.units);
    return report <= used && report >= lock.units - left ? report : -1;
  }

  /** `lock` ended, and `report` of it was used. */
  drop(lock: Lock, report: number): void {
    this.locks.splice(this.locks.indexOf(lock), 1);
    this.units -= lock.units;
    this.used -= report;
    this.#usedElsewhere += report;
    this.#remaining = Math.max(0, this.#remaining + lock.units - report);
    if (report < lock.units) this.#refused = null;
    if (this.spendUntil !== Number.NEGATIVE_INFINITY) this.update();
  }

  /** After locks came, went or were renewed. */
  update(): void {
    const bounded = this.#isCalendar && this.locks.length > 0;
    this.spendUntil = bounded ? this.#periodSpentUntil : Number.POSITIVE_INFINITY;
    for (const { heldUntil } of this.locks) if (heldUntil < this.spendUntil) this.spendUntil = heldUntil;
  }

  /**
   * The state of the limit for a request that took `taken`: the store's latest word and what was done here since. That word is as
   * old as the youngest lock; what other processes hold and have not spent is in `reserved`, never in `remaining`.
   */
  stateAt(now: number, taken: number, retryAfterMs: number): LimitState {
    const { used, left } = this;
    return {
      bound: this.bound,
      used: this.#usedElsewhere + used,
      reserved: this.#reservedElsewhere + this.inFlight,
      remaining: this.#remaining + Math.max(0, left),
      taken,
      // What is locked counts until the unlock, so that only a calendar's reset comes closer meanwhile.
      resetMs: this.#isCalendar ? Math.max(0, Math.ceil(this.#resetAt - now)) : this.#resetMs,
      retryAfterMs: Math.max(retryAfterMs, this.#overMs),
    };
  }

  /** How long a request that is refused has to wait. */
  retryAfterMs(now: number): number {
    return this.#refused === null ? LOCKED_WAIT_MS : Math.max(1, Math.ceil(this.#refused.until - now));
  }

  /** What the store told of this counter just now to whoever needs `needed`, seen from here: what is held here is not spent. */
  seenFromHere(state: LimitState, needed: number): LimitState {
    const remaining = state.remaining + Math.max(0, this.left);
    return {
      ...state,
      used: state.used + this.used,
      reserved: Math.max(0, state.reserved - this.units) + this.inFlight,
      remaining,
      retryAfterMs: remaining >= needed ? 0 : state.retryAfterMs,
    };
  }

  get #isCalendar(): boolean {
    return this.bound.limit.algorithm.kind === 'calendar';
  }

  /** False when a period that ends `resetMs` after `sentAt` is not the one of the locks here. */
  #followPeriod(sentAt: number, resetMs: number): boolean {
    const endsAt = sentAt + resetMs;
    if (this.locks.length === 0) {
      this.#periodEndsAt = Number.NEGATIVE_INFINITY;
      this.#periodSpentUntil = Number.NEGATIVE_INFINITY;
    } else if (endsAt > this.#periodEndsAt + ANOTHER_PERIOD_MS) return false;
    this.#periodEndsAt = Math.max(this.#periodEndsAt, endsAt);
    this.#periodSpentUntil = Math.max(this.#periodSpentUntil, sentAt + resetMs * SPENDABLE);
    return true;
  }

  #hear(state: LimitState, sentAt: number): void {
    this.#usedElsewhere = state.used;
    this.#reservedElsewhere = Math.max(0, state.reserved - this.units);
    this.#remaining = state.remaining;
    this.#resetMs = state.resetMs;
    this.#resetAt = sentAt + state.resetMs;
    this.#turnedAway = 0;
    // A limit that only reports locks what is over it, and says so.
    this.#overMs = this.bound.limit.onExceed === 'report' ? state.retryAfterMs : 0;
  }
}
