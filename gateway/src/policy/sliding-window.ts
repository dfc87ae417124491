/**
 * Exact sliding window.
 *
 * Bound: never more than `amount` in any half-open interval of `windowMs`, at any alignment; a request that used more than
 * it reserved adds its overage, nothing else does.
 * Burst: the whole amount may pass at once; what passed comes back when it is `windowMs` old.
 * Choose it where the cap is a promise ("at most 60 in any minute") and idle time must not earn a second burst.
 *
 * Invariants
 *  (1) Slots are in order of `at`, the latest admission in them; a slot counts until `at + windowMs`, so none counts too short.
 *  (2) `used` and `reserved` are the sums over the live slots, and `reserved` what is locked, too.
 *  (3) Up to PRECISE slots, one is one millisecond; beyond, one is at most a 60th of the window: about 2 x PRECISE at most.
 */
import { type Counter, type Hold, LOCKED_WAIT_MS } from './counter.ts';
import type { Limit } from './limit.ts';

/** How many slots are kept to the millisecond, so that retry times are as short as can be. */
const PRECISE = 64;
const COARSE_SLOTS = 60;

interface Slot {
  readonly from: number;
  at: number;
  used: number;
  reserved: number;
  live: boolean;
  next: Slot | null;
}

export class SlidingWindow implements Counter {
  used = 0;
  reserved = 0;
  #amount: number;
  #windowMs: number;
  #slotMs: number;
  #now: number;
  #first: Slot | null = null;
  #last: Slot | null = null;
  #slots = 0;
  #locked = 0;

  constructor(amount: number, windowMs: number, now: number) {
    this.#amount = amount;
    this.#windowMs = windowMs;
    this.#slotMs = Math.ceil(windowMs / COARSE_SLOTS);
    this.#now = now;
  }

  /** How many slots are live; for tests of the memory bound. */
  get slots(): number {
    return this.#slots;
  }

  get remaining(): number {
    return Math.max(0, this.#amount - this.used - this.reserved);
  }

  get emptyAt(): number {
    let last = this.#last;
    // A slot refunded to nothing no longer counts; then the newest one that does decides.
    if (last !== null && last.used + last.reserved === 0) {
      last = null;
      for (let slot = this.#first; slot !== null; slot = slot.next) if (slot.used + slot.reserved > 0) last = slot;
    }
    const emptyAt = last === null ? this.#now : last.at + this.#windowMs;
    return this.#locked === 0 ? emptyAt : Math.max(emptyAt, this.#now + this.#windowMs);
  }

  get startsAt(): number {
    return this.#now;
  }

  get idle(): boolean {
    return this.#first === null && this.#locked === 0;
  }

  advance(now: number): void {
    if (now <= this.#now) return;
    this.#now = now;
    this.#forget();
  }

  passesAt(amount: number): number {
    if (amount > this.#amount) return Number.POSITIVE_INFINITY;
    let over = this.used + this.reserved + amount - this.#amount;
    if (over <= 0) return this.#now;
    let slot = this.#first;
    while (slot !== null) {
      over -= slot.used + slot.reserved;
      if (over <= 0) return slot.at + this.#windowMs;
      slot = slot.next;
    }
    return this.#now + LOCKED_WAIT_MS;
  }

  take(amount: number): Hold {
    const slot = this.#append(this.#now);
    slot.reserved += amount;
    this.reserved += amount;
    return new WindowHold(this, slot, amount);
  }

  lock(amount: number): Hold {
    this.#locked += amount;
    this.reserved += amount;
    return new WindowLock(this, amount);
  }

  /** For {@link WindowLock}: what was locked becomes what was used, from now on. */
  unlock(locked: number, actual: number): void {
    this.#locked -= locked;
    this.reserved -= locked;
    if (actual === 0) return;
    this.#append(this.#now).used += actual;
    this.used += actual;
  }

  /** For {@link WindowHold}: what was reserved in a slot becomes what was used, while the slot counts. */
  settle(slot: Slot, reserved: number, actual: number): void {
    if (!slot.live) return;
    slot.reserved -= reserved;
    slot.used += actual;
    this.reserved -= reserved;
    this.used += actual;
  }

  restore(used: number, at: number): void {
    if (at <= this.#now - this.#windowMs) return;
    const slot = this.#last === null || this.#last.at <= at ? this.#append(at) : this.#insert(at);
    slot.used += used;
    this.used += used;
  }

  redefine({ amount, algorithm }: Limit): boolean {
    if (algorithm.kind !== 'slidingWindow') return false;
    this.#amount = amount;
    this.#windowMs = algorithm.windowMs;
    this.#slotMs = Math.ceil(algorithm.windowMs / COARSE_SLOTS);
    this.#forget();
    return true;
  }

  /** Drops the slots that have left the window. */
  #forget(): void {
    const gone = this.#now - this.#windowMs;
    let first = this.#first;
    while (first !== null && first.at <= gone) {
      first.live = false;
      this.used -= first.used;
      this.reserved -= first.reserved;
      this.#slots--;
      first = first.next;
    }
    this.#first = first;
    if (first === null) this.#last = null;
  }

  /** The slot for an admission at `at`, which is not before the last one. */
  #append(at: number): Slot {
    const last = this.#last;
    if (last !== null && (last.at === at || (this.#slots >= PRECISE && at < last.from + this.#slotMs))) {
      last.at = at;
      return last;
    }
    const slot: Slot = { from: at, at, used: 0, reserved: 0, live: true, next: null };
    if (last === null) this.#first = slot;
    else last.next = slot;
    this.#last = slot;
    this.#slots++;
    return slot;
  }

  /** The slot for use at `at`, which is before the last slot: one that leaves a little later will do. */
  #insert(at: number): Slot {
    let before: Slot | null = null;
    let after = this.#first;
    while (after !== null && after.at < at) {
      before = after;
      after = after.next;
    }
    if (after !== null && after.at - at < this.#slotMs) return after;
    const slot: Slot = { from: at, at, used: 0, reserved: 0, live: true, next: after };
    if (before === null) this.#first = slot;
    else before.next = slot;
    this.#slots++;
    return slot;
  }
}

class WindowHold implements Hold {
  readonly counter: SlidingWindow;
  readonly amount: number;
  readonly #slot: Slot;

  constructor(counter: SlidingWindow, slot: Slot, amount: number) {
    this.counter = counter;
    this.#slot = slot;
    this.amount = amount;
  }

  settle(actual: number, now: number): void {
    this.counter.advance(now);
    this.counter.settle(this.#slot, this.amount, actual);
  }

  renew(): void {}
}

class WindowLock implements Hold {
  readonly counter: SlidingWindow;
  readonly amount: number;

  constructor(counter: SlidingWindow, amount: number) {
    this.counter = counter;
    this.amount = amount;
  }

  settle(actual: number, now: number): void {
    this.counter.advance(now);
    this.counter.unlock(this.amount, actual);
  }

  renew(): void {}
}
