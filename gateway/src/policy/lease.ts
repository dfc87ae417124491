/**
 * Concurrency as leases.
 *
 * Bound: never more than `amount` holders at the same time, as long as each renews within `leaseMs`.
 * Burst: the whole amount may start at once; a place comes back when its holder settles or lets its lease expire.
 * Choose it to cap what runs in parallel: long streams, scarce model servers.
 *
 * Invariants
 *  (1) Leases are in order of expiry, because all last equally long and a renewed one goes to the end.
 *  (2) A holder that dies costs its place for `leaseMs` at most; one that renews late takes its place again, since it runs.
 */
import type { Counter, Hold } from './counter.ts';
import type { Limit } from './limit.ts';

export class Leases implements Counter {
  readonly used = 0;
  reserved = 0;
  #amount: number;
  #leaseMs: number;
  #now: number;
  #first: Lease | null = null;
  #last: Lease | null = null;
  /** Holders that have not settled, with a live lease or without. */
  #open = 0;

  constructor(amount: number, leaseMs: number, now: number) {
    this.#amount = amount;
    this.#leaseMs = leaseMs;
    this.#now = now;
  }

  get remaining(): number {
    return Math.max(0, this.#amount - this.reserved);
  }

  get emptyAt(): number {
    return this.#last === null ? this.#now : this.#last.expiresAt;
  }

  get startsAt(): number {
    return this.#now;
  }

  get idle(): boolean {
    return this.#open === 0;
  }

  advance(now: number): void {
    if (now <= this.#now) return;
    this.#now = now;
    while (this.#first !== null && this.#first.expiresAt <= now) this.#remove(this.#first);
  }

  /** When enough leases have expired. A holder that settles makes it sooner, one that renews later. */
  passesAt(): number {
    if (this.#amount === 0) return Number.POSITIVE_INFINITY;
    if (this.reserved < this.#amount) return this.#now;
    let lease = this.#first;
    for (let more = this.reserved - this.#amount; more > 0 && lease !== null; more--) lease = lease.next;
    return lease === null ? this.#now : lease.expiresAt;
  }

  take(): Hold {
    this.#open++;
    const lease = new Lease(this);
    this.#append(lease);
    return lease;
  }

  lock(): Hold {
    throw new RangeError('a place is held by a request, so it cannot be set aside');
  }

  /** For {@link Lease}: lasts from now on. */
  renew(lease: Lease): void {
    if (lease.live) this.#remove(lease);
    this.#append(lease);
  }

  /** For {@link Lease}: gives the place back. */
  release(lease: Lease): void {
    this.#open--;
    if (lease.live) this.#remove(lease);
  }

  /** Who held a place before this process started is gone. */
  restore(): void {}

  redefine({ amount, algorithm }: Limit): boolean {
    if (algorithm.kind !== 'concurrency') return false;
    this.#amount = amount;
    if (algorithm.leaseMs === this.#leaseMs) return true;
    this.#leaseMs = algorithm.leaseMs;
    // Renewed together, so that the order stays the order of expiry.
    const expiresAt = this.#now + algorithm.leaseMs;
    for (let lease = this.#first; lease !== null; lease = lease.next) lease.expiresAt = expiresAt;
    return true;
  }

  #append(lease: Lease): void {
    lease.expiresAt = this.#now + this.#leaseMs;
    lease.live = true;
    lease.previous = this.#last;
    if (this.#last === null) this.#first = lease;
    else this.#last.next = lease;
    this.#last = lease;
    this.reserved++;
  }

  #remove(lease: Lease): void {
    if (lease.previous === null) this.#first = lease.next;
    else lease.previous.next = lease.next;
    if (lease.next === null) this.#last = lease.previous;
    else lease.next.previous = lease.previous;
    lease.previous = null;
    lease.next = null;
    lease.live = false;
    this.reserved--;
  }
}

class Lease implements Hold {
  readonly counter: Leases;
  readonly amount = 1;
  expiresAt = 0;
  live = false;
  previous: Lease | null = null;
  next: Lease | null = null;

  constructor(counter: Leases) {
    this.counter = counter;
  }

  settle(_actual: number, now: number): void {
    this.counter.advance(now);
    this.counter.release(this);
  }

  renew(now: number): void {
    this.counter.advance(now);
    this.counter.renew(this);
  }
}
