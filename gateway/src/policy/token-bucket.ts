/**
 * Token bucket (GCRA) in exact integers.
 *
 * Bound: at most burst + amount x W / windowMs in any interval W; a request that used more than it reserved adds its overage,
 * which becomes debt that refill pays before anything passes again.
 * Burst: idle time earns up to `burst` at once, then use is spread evenly.
 * Choose it for rates: constant memory, capacity that comes back smoothly, retry times that are short.
 *
 * Source: ITU-T I.371 Annex A (GCRA), kept as debt: with amount/windowMs reduced to refill/unit, debt falls by `refill`
 * a millisecond, taking one costs `unit`, and c passes if and only if debt + c x unit <= burst x unit.
 *
 * Leaky bucket: the same bucket, but what is taken starts when the debt before it is paid, so that starts are `amount` per
 * `windowMs` apart and `burst` is what may be waiting. Bound: what starts in any interval W is at most amount x W / windowMs and one
 * request more. Choose it in front of what cannot take bursts. Nothing comes back once a later request has its turn.
 *
 * Invariants
 *  (1) 0 <= debt <= MOST_DEBT: every sum and product that decides is an exact integer.
 *  (2) A refund is at most the lowest debt since its reserve: exactly what the bucket would owe less had the refunded part
 *      never been taken. A bucket that was full meanwhile refunds nothing.
 *  (3) Whatever raises the debt notes the level before it, so that no lowest level is missed.
 */
import { type Counter, type Hold, LOCKED_WAIT_MS } from './counter.ts';
import type { Limit } from './limit.ts';
import { LowWater } from './low-water.ts';

/** Half of 2^53, so that debt plus a cost is exact, and quotients round to the right integer. */
const MOST_DEBT = 2 ** 52;

/** Whether a bucket of these numbers counts exactly: burst x windowMs / gcd(amount, windowMs) is at most 2^51. */
export function bucketFits(amount: number, windowMs: number, burst: number): boolean {
  return (burst * windowMs) / gcd(amount, windowMs) <= MOST_DEBT / 2;
}

export class TokenBucket implements Counter {
  /** What one of the limit's unit costs, what a millisecond pays, and what may be owed. */
  #unit = 1;
  #refill = 0;
  #capacity = 0;
  #debt = 0;
  #now: number;
  readonly #shapes: boolean;
  #locked = 0;
  /** Times the debt rose, and how many reserves are not settled and hold how much. */
  #seq = 0;
  #open = 0;
  #held = 0;
  /** Levels while several requests are in flight; most buckets never need any. */
  #low: LowWater | null = null;

  constructor(amount: number, windowMs: number, burst: number, now: number, shapes = false) {
    this.#now = now;
    this.#shapes = shapes;
    this.#define(amount, windowMs, burst);
  }

  get used(): number {
    return Math.max(0, this.#counted - this.#held);
  }

  get reserved(): number {
    return Math.min(this.#held, this.#counted) + this.#locked;
  }

  get remaining(): number {
    return Math.max(0, Math.floor((this.#capacity - this.#debt) / this.#unit) - this.#locked);
  }

  get emptyAt(): number {
    const owed = this.#debt + this.#locked * this.#unit;
    return owed === 0 ? this.#now : this.#now + Math.ceil(owed / this.#refill);
  }

  get startsAt(): number {
    return this.#shapes && this.#debt > 0 ? this.#now + Math.ceil(this.#debt / this.#refill) : this.#now;
  }

  get idle(): boolean {
    return this.#debt === 0 && this.#open === 0 && this.#locked === 0;
  }

  get #counted(): number {
    return Math.ceil(this.#debt / this.#unit);
  }

  advance(now: number): void {
    if (now <= this.#now) return;
    this.#debt = Math.max(0, this.#debt - (now - this.#now) * this.#refill);
    this.#now = now;
  }

  passesAt(amount: number): number {
    const cost = amount * this.#unit;
    if (cost > this.#capacity) return Number.POSITIVE_INFINITY;
    const over = this.#debt + this.#locked * this.#unit + cost - this.#capacity;
    if (over <= 0) return this.#now;
    return this.#now + (over <= this.#debt ? Math.ceil(over / this.#refill) : LOCKED_WAIT_MS);
  }

  take(amount: number): Hold {
    this.#owe(amount * this.#unit);
    this.#open++;
    this.#held += amount;
    return new BucketHold(this, this.#seq, amount);
  }

  lock(amount: number): Hold {
    this.#locked += amount;
    return new BucketLock(this, amount);
  }

  /** For {@link BucketLock}: what was locked is free again, and what was used of it is owed from now on. */
  unlock(locked: number, actual: number): void {
    this.#locked -= locked;
    if (actual > 0) this.#owe(actual * this.#unit);
  }

  /** For {@link BucketHold}: corrects reserve number `seq` from what it took to what it used. */
  settle(seq: number, reserved: number, actual: number): void {
    this.#open--;
    this.#held -= reserved;
    if (actual > reserved) this.#owe((actual - reserved) * this.#unit);
    else if (actual < reserved && (!this.#shapes || seq === this.#seq)) {
      const refund = Math.min((reserved - actual) * this.#unit, this.#debt, this.#low?.since(seq) ?? this.#debt);
      this.#debt -= refund;
      this.#low?.lower(seq, refund);
    }
    if (this.#open === 0) this.#low = null;
  }

  restore(used: number, at: number): void {
    this.#owe(Math.max(0, used * this.#unit - (this.#now - at) * this.#refill));
  }

  redefine({ amount, algorithm }: Limit): boolean {
    if (algorithm.kind !== (this.#shapes ? 'leakyBucket' : 'tokenBucket')) return false;
    const before = this.#unit;
    this.#define(amount, algorithm.windowMs, algorithm.burst);
    if (this.#unit === before) return true;
    // As many of the limit's unit stay owed; rounding is against the caller.
    this.#debt = 0 - convert(-this.#debt, before, this.#unit);
    this.#low?.convert((level) => convert(level, before, this.#unit));
    return true;
  }

  #define(amount: number, windowMs: number, burst: number): void {
    const divisor = gcd(amount, windowMs);
    this.#unit = windowMs / divisor;
    this.#refill = amount / divisor;
    this.#capacity = amount === 0 ? 0 : burst * this.#unit;
  }

  #owe(debt: number): void {
    this.#seq++;
    if (this.#open > 0) {
      this.#low ??= new LowWater();
      this.#low.note(this.#seq, this.#debt);
    }
    this.#debt = Math.min(MOST_DEBT, this.#debt + debt);
  }
}

class BucketHold implements Hold {
  readonly counter: TokenBucket;
  readonly amount: number;
  readonly #seq: number;

  constructor(counter: TokenBucket, seq: number, amount: number) {
    this.counter = counter;
    this.#seq = seq;
    this.amount = amount;
  }

  settle(actual: number, now: number): void {
    this.counter.advance(now);
    this.counter.settle(this.#seq, this.amount, actual);
  }

  renew(): void {}
}

class BucketLock implements Hold {
  readonly counter: TokenBucket;
  readonly amount: number;

  constructor(counter: TokenBucket, amount: number) {
    this.counter = counter;
    this.amount = amount;
  }

  settle(actual: number, now: number): void {
    this.counter.advance(now);
    this.counter.unlock(this.amount, actual);
  }

  renew(): void {}
}

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** `debt` in units of `to` to the whole instead of `from`, rounded down, at most MOST_DEBT either way. */
function convert(debt: number, from: number, to: number): number {
  const product = BigInt(debt) * BigInt(to);
  const divisor = BigInt(from);
  const floor = product / divisor - (product % divisor < 0n ? 1n : 0n);
  return Math.max(-MOST_DEBT, Math.min(MOST_DEBT, Number(floor)));
}
