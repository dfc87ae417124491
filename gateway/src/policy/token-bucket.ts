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
 * Invariants
 *  (1) 0 <= debt <= MOST_DEBT: every sum and product that decides is an exact integer.
 *  (2) A refund is at most the lowest debt since its reserve: exactly what the bucket would owe less had the refunded part
 *      never been taken. A bucket that was full meanwhile refunds nothing.
 */
import type { Counter, Hold } from './counter.ts';
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
  /** Reserves so far, and how many of them are not settled and hold how much. */
  #seq = 0;
  #open = 0;
  #held = 0;
  /** Levels while several requests are in flight; most buckets never need any. */
  #low: LowWater | null = null;

  constructor(amount: number, windowMs: number, burst: number, now: number) {
    this.#now = now;
    this.#define(amount, windowMs, burst);
  }

  get used(): number {
    return Math.max(0, this.#counted - this.#held);
  }

  get reserved(): number {
    return Math.min(this.#held, this.#counted);
  }

  get remaining(): number {
    return Math.max(0, Math.floor((this.#capacity - this.#debt) / this.#unit));
  }

  get emptyAt(): number {
    return this.#debt === 0 ? this.#now : this.#now + Math.ceil(this.#debt / this.#refill);
  }

  get idle(): boolean {
    return this.#debt === 0 && this.#open === 0;
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
    const over = this.#debt + cost - this.#capacity;
    return over <= 0 ? this.#now : this.#now + Math.ceil(over / this.#refill);
  }

  take(amount: number): Hold {
    const seq = ++this.#seq;
    if (this.#open > 0) {
      this.#low ??= new LowWater();
      this.#low.note(seq, this.#debt);
    }
    this.#open++;
    this.#held += amount;
    this.#owe(amount * this.#unit);
    return new BucketHold(this, seq, amount);
  }

  /** For {@link BucketHold}: corrects reserve number `seq` from what it took to what it used. */
  settle(seq: number, reserved: number, actual: number): void {
    this.#open--;
    this.#held -= reserved;
    if (actual > reserved) this.#owe((actual - reserved) * this.#unit);
    else if (actual < reserved) {
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
    if (algorithm.kind !== 'tokenBucket') return false;
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
