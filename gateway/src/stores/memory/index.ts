/**
 * Limits in this process's memory: exact, at once, gone when it ends.
 *
 * Invariants
 *  (1) A reserve looks at every limit before it takes from any.
 *  (2) Time never goes back: a clock that does stands still here until it has caught up, so that no capacity returns early;
 *      waits that are reported include the time to catch up.
 *  (3) A reservation ends exactly once: settled by its holder or, not renewed for HOLD_MS, settled at what it reserved.
 */
import type { Clock } from '../../clock.ts';
import type { Counter, Hold } from '../../policy/counter.ts';
import { type Amounts, amountOf, type BoundLimit } from '../../policy/limit.ts';
import type { Decision, LimitState, LimitStore } from '../limit-store.ts';
import { Reservations } from './reservations.ts';
import { Subjects } from './subjects.ts';

export class MemoryLimitStore implements LimitStore {
  readonly #clock: Clock;
  #now: number;
  /** How far the clock is behind the latest time it showed. */
  #behindMs = 0;
  readonly #reservations = new Reservations();
  readonly #subjects = new Subjects(this.#reservations);
  /** What phase one found, for phase two; by limit, overwritten by each reserve. */
  readonly #counters: Counter[] = [];
  readonly #passesAt: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = clock.now();
  }

  /** How many counters are kept: subjects with use that counts, and some that are about to be forgotten. */
  get counters(): number {
    return this.#subjects.size;
  }

  reserve(id: string, limits: readonly BoundLimit[], amounts: Amounts): Decision {
    const now = this.#advance();
    const before = this.#reservations.get(id);
    if (before !== undefined) return before.decision;
    this.#subjects.sweep(now);

    let binding = -1;
    let longest = now;
    for (let index = 0; index < limits.length; index++) {
      const bound = limits[index]!;
      const amount = amountOf(bound.limit.dimension, amounts);
      const counter = this.#subjects.counter(bound, now);
      // Nothing asked for passes, whatever is owed.
      const passesAt = amount === 0 ? now : counter.passesAt(amount);
      this.#counters[index] = counter;
      this.#passesAt[index] = passesAt;
      if (passesAt > longest && bound.limit.onExceed === 'reject') {
        binding = index;
        longest = passesAt;
      }
    }
    if (binding >= 0) return { admitted: false, binding, states: this.#states(limits) };

    const holds = new Array<Hold>(limits.length);
    for (let index = 0; index < limits.length; index++) {
      holds[index] = this.#counters[index]!.take(amountOf(limits[index]!.limit.dimension, amounts));
    }
    const decision: Decision = { admitted: true, states: this.#states(limits) };
    this.#reservations.add(id, { limits, amounts, holds, decision, expiresAt: 0 }, now);
    return decision;
  }

  settle(id: string, actual: Amounts): boolean {
    const now = this.#advance();
    return this.#reservations.settle(id, actual, now);
  }

  renew(id: string): void {
    const now = this.#advance();
    this.#reservations.renew(id, now);
  }

  /** `retryAfterMs` is that of the smallest amount there is. */
  read(limits: readonly BoundLimit[]): readonly LimitState[] {
    const now = this.#advance();
    for (let index = 0; index < limits.length; index++) {
      const counter = this.#subjects.peek(limits[index]!, now);
      this.#counters[index] = counter;
      this.#passesAt[index] = counter.passesAt(1);
    }
    return this.#states(limits);
  }

  restore(bound: BoundLimit, used: number, atMs: number): void {
    const now = this.#advance();
    this.#subjects.counter(bound, now).restore(used, Math.min(atMs, now));
  }

  held(): number {
    this.#advance();
    return this.#reservations.size;
  }

  close(): void {
    this.#subjects.clear();
    this.#reservations.clear();
  }

  #advance(): number {
    const wall = this.#clock.now();
    if (wall > this.#now) this.#now = wall;
    this.#behindMs = this.#now - wall;
    this.#reservations.expire(this.#now);
    return this.#now;
  }

  /** What phase one left for each limit, as its counter is now. */
  #states(limits: readonly BoundLimit[]): readonly LimitState[] {
    const states = new Array<LimitState>(limits.length);
    for (let index = 0; index < limits.length; index++) {
      const counter = this.#counters[index]!;
      states[index] = {
        bound: limits[index]!,
        used: counter.used,
        reserved: counter.reserved,
        remaining: counter.remaining,
        resetMs: this.#waitUntil(counter.emptyAt),
        retryAfterMs: this.#waitUntil(this.#passesAt[index]!),
      };
    }
    return states;
  }

  #waitUntil(instant: number): number {
    return instant > this.#now ? instant - this.#now + this.#behindMs : 0;
  }
}
