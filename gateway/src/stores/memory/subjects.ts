/**
 * One counter for each limit and subject that has use to count.
 *
 * Invariants
 *  (1) A counter that reserves or restores under a limit's name follows the definition it was given last; what the old one
 *      counted is carried over.
 *  (2) Counters that count nothing are forgotten: reserves look at more than they add.
 */
import type { Counter } from '../../policy/counter.ts';
import { newCounter } from '../../policy/counters.ts';
import { amountOf, type BoundLimit } from '../../policy/limit.ts';
import type { Reservations } from './reservations.ts';

interface Subject {
  bound: BoundLimit;
  counter: Counter;
}

/** A reserve looks at two subjects for each one added; every so many of them look at one more. A look is a miss of the cache. */
const RESERVES_PER_SWEEP = 4;

export class Subjects {
  readonly #reservations: Reservations;
  readonly #byCounter = new Map<string, Subject>();
  #cursor = this.#byCounter.values();
  #toSweep = 0;
  #reserves = 0;

  constructor(reservations: Reservations) {
    this.#reservations = reservations;
  }

  get size(): number {
    return this.#byCounter.size;
  }

  /** The counter of `bound`, at `now`, made when there is none. */
  counter(bound: BoundLimit, now: number): Counter {
    const subject = this.#byCounter.get(bound.counter);
    if (subject !== undefined) return this.#follow(subject, bound, now);
    const counter = newCounter(bound.limit, now);
    this.#byCounter.set(bound.counter, { bound, counter });
    this.#toSweep += 2;
    return counter;
  }

  /** The counter of `bound`, at `now`; one that has counted nothing and is not kept when there is none. */
  peek(bound: BoundLimit, now: number): Counter {
    const subject = this.#byCounter.get(bound.counter);
    return subject === undefined ? newCounter(bound.limit, now) : this.#follow(subject, bound, now);
  }

  /** Forgets a few counters that count nothing. */
  sweep(now: number): void {
    let left = this.#toSweep;
    this.#toSweep = 0;
    if (++this.#reserves % RESERVES_PER_SWEEP === 0) left++;
    for (; left > 0; left--) {
      const next = this.#cursor.next();
      if (next.done) {
        this.#cursor = this.#byCounter.values();
        return;
      }
      const { bound, counter } = next.value;
      counter.advance(now);
      if (counter.idle) this.#byCounter.delete(bound.counter);
    }
  }

  clear(): void {
    this.#byCounter.clear();
  }

  #follow(subject: Subject, bound: BoundLimit, now: number): Counter {
    subject.counter.advance(now);
    // A reload makes every limit anew, so another definition is another object.
    if (subject.bound.limit !== bound.limit) this.#redefine(subject, bound, now);
    return subject.counter;
  }

  #redefine(subject: Subject, bound: BoundLimit, now: number): void {
    const sameUnit = subject.bound.limit.dimension === bound.limit.dimension;
    subject.bound = bound;
    if (sameUnit && subject.counter.redefine(bound.limit)) return;
    const former = subject.counter;
    subject.counter = newCounter(bound.limit, now);
    if (sameUnit) subject.counter.restore(former.used, now);
    this.#rehome(former, subject.counter, bound, sameUnit);
  }

  /** What requests in flight hold of the `former` counter, they hold of the `next` one from now on. */
  #rehome(former: Counter, next: Counter, bound: BoundLimit, sameUnit: boolean): void {
    for (const reservation of this.#reservations.all()) {
      const { holds, extensions, wanted } = reservation;
      const index = holds.findIndex((hold) => hold.counter === former);
      if (index < 0) continue;
      holds[index] = next.take(sameUnit ? holds[index]!.amount : amountOf(bound.limit, wanted));
      for (const extension of extensions ?? []) {
        const hold = extension[index] ?? null;
        if (hold !== null) extension[index] = sameUnit ? next.take(hold.amount) : null;
      }
      reservation.limits = reservation.limits.with(index, bound);
    }
  }
}
