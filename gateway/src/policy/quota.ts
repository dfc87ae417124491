/**
 * Calendar quota.
 *
 * Bound: never more than `amount` in one calendar period; a request that used more than it reserved adds its overage. Around
 * a boundary up to twice the amount may pass in a short time: the end of one period and the start of the next.
 * Burst: the whole amount may pass at once; all of it comes back at the period's end.
 * Choose it for what people budget and bill by: tokens a month, dollars a day.
 *
 * Invariants
 *  (1) A hold settles into the tally it was taken from; after the period's end that tally counts for nothing.
 *  (2) Which period it is follows from the time alone: nothing has to run at the boundary.
 */
import { type Calendar, calendarOf, type Period } from './calendar.ts';
import type { Counter, Hold } from './counter.ts';
import type { Limit } from './limit.ts';

interface Tally {
  used: number;
  reserved: number;
  /** Holds that are not settled. */
  open: number;
}

export class Quota implements Counter {
  #amount: number;
  #calendar: Calendar;
  #period: Period;
  #tally: Tally = { used: 0, reserved: 0, open: 0 };
  #now: number;

  constructor(amount: number, calendar: Calendar, now: number) {
    this.#amount = amount;
    this.#calendar = calendar;
    this.#period = calendar.periodAt(now);
    this.#now = now;
  }

  get used(): number {
    return this.#tally.used;
  }

  get reserved(): number {
    return this.#tally.reserved;
  }

  get remaining(): number {
    return Math.max(0, this.#amount - this.#tally.used - this.#tally.reserved);
  }

  get emptyAt(): number {
    return this.#tally.used + this.#tally.reserved === 0 ? this.#now : this.#period.end;
  }

  get startsAt(): number {
    return this.#now;
  }

  get idle(): boolean {
    return this.#tally.used === 0 && this.#tally.open === 0;
  }

  advance(now: number): void {
    if (now <= this.#now) return;
    this.#now = now;
    if (now < this.#period.end) return;
    this.#period = this.#calendar.periodAt(now);
    this.#tally = { used: 0, reserved: 0, open: 0 };
  }

  passesAt(amount: number): number {
    if (amount > this.#amount) return Number.POSITIVE_INFINITY;
    return this.#tally.used + this.#tally.reserved + amount <= this.#amount ? this.#now : this.#period.end;
  }

  take(amount: number): Hold {
    this.#tally.reserved += amount;
    this.#tally.open++;
    return new QuotaHold(this, this.#tally, amount);
  }

  /** A period's units are used in that period or not at all, so that there is no difference to a reservation. */
  lock(amount: number): Hold {
    return this.take(amount);
  }

  restore(used: number, at: number): void {
    if (at >= this.#period.start) this.#tally.used += used;
  }

  redefine({ amount, algorithm }: Limit): boolean {
    if (algorithm.kind !== 'calendar') return false;
    this.#amount = amount;
    const calendar = calendarOf(algorithm.period, algorithm.timeZone, algorithm.start);
    if (calendar === this.#calendar) return true;
    const period = calendar.periodAt(this.#now);
    // Use since the old period's start is use in the new one only when that began no later.
    if (this.#period.start < period.start) this.#tally.used = 0;
    this.#calendar = calendar;
    this.#period = period;
    return true;
  }
}

class QuotaHold implements Hold {
  readonly counter: Quota;
  readonly amount: number;
  readonly #tally: Tally;

  constructor(counter: Quota, tally: Tally, amount: number) {
    this.counter = counter;
    this.#tally = tally;
    this.amount = amount;
  }

  settle(actual: number): void {
    this.#tally.open--;
    this.#tally.reserved -= this.amount;
    this.#tally.used += actual;
  }

  renew(): void {}
}
