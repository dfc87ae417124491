/** A clock that only moves when a test says so, and runs what falls due in order. */
import type { Clock, Timer } from '../../src/clock.ts';

interface Due extends Timer {
  at: number;
  run: () => void;
  periodMs: number | null;
}

export class VirtualClock implements Clock {
  #now: number;
  #pending = new Set<Due>();

  constructor(startMs = Date.UTC(2026, 10, 21, 12, 0, 0)) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#add({ at: this.#now + delayMs, run, periodMs: null });
  }

  every(periodMs: number, run: () => void): Timer {
    return this.#add({ at: this.#now + periodMs, run, periodMs });
  }

  clear(timer: Timer | null): void {
    this.#pending.delete(timer as Due);
  }

  /** How many timers wait: 0 when nothing was left behind. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Moves time forward, running everything that falls due on the way at its own instant. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#next(end); next !== null; next = this.#next(end)) {
      this.#now = Math.max(this.#now, next.at);
      if (next.periodMs === null) this.#pending.delete(next);
      else next.at += next.periodMs;
      next.run();
    }
    this.#now = end;
  }

  /** Steps the wall clock without running timers, as an NTP correction would. */
  step(ms: number): void {
    this.#now += ms;
  }

  #add(due: Due): Timer {
    this.#pending.add(due);
    return due;
  }

  #next(end: number): Due | null {
    let first: Due | null = null;
    for (const due of this.#pending) if (due.at <= end && (first === null || due.at < first.at)) first = due;
    return first;
  }
}
