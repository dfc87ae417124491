/**
 * Limits in this process's memory: exact, at once, gone when it ends.
 *
 * Invariants
 *  (1) A reserve looks at every limit before it takes from any.
 *  (2) Time never goes back: a clock that does stands still here until it has caught up, so that no capacity returns early;
 *      waits that are reported include the time to catch up.
 *  (3) A reservation ends exactly once: settled by its holder or, not renewed for a lease, by the policy for orphans.
 */
import type { Clock } from '../../clock.ts';
import type { Counter, Hold } from '../../policy/counter.ts';
import { type Demand, neededOf, takenOf } from '../../policy/demand.ts';
import { type Amounts, amountOf, type BoundLimit } from '../../policy/limit.ts';
import {
  type Admission,
  type Decision,
  LEASE_MS,
  type LimitState,
  type LockingStore,
  type Orphans,
} from '../limit-store.ts';
import { Over } from './over.ts';
import { type Actual, type Reservation, Reservations } from './reservations.ts';
import { Subjects } from './subjects.ts';

export interface MemoryOptions {
  /** How long a reservation is held without being renewed, in milliseconds. */
  readonly leaseMs?: number;
  readonly orphans?: Orphans;
}

export class MemoryLimitStore implements LockingStore {
  readonly #clock: Clock;
  #now: number;
  /** How far the clock is behind the latest time it showed. */
  #behindMs = 0;
  readonly #reservations: Reservations;
  readonly #subjects: Subjects;
  readonly #over: Over;
  /** What phase one found, for phase two; by limit, overwritten by each decision. */
  readonly #counters: Counter[] = [];
  readonly #passesAt: number[] = [];
  readonly #needed: number[] = [];
  readonly #taken: number[] = [];

  constructor(clock: Clock, { leaseMs = LEASE_MS, orphans = 'charge' }: MemoryOptions = {}) {
    this.#clock = clock;
    this.#now = clock.now();
    this.#reservations = new Reservations(leaseMs, orphans);
    this.#subjects = new Subjects(this.#reservations);
    this.#over = new Over(leaseMs);
  }

  /** How many counters are kept: subjects with use that counts, and some that are about to be forgotten. */
  get counters(): number {
    return this.#subjects.size;
  }

  reserve(id: string, limits: readonly BoundLimit[], demand: Demand): Decision {
    const now = this.#advance();
    const before = this.#reservations.get(id);
    if (before !== undefined) return before.decision;
    if (this.#over.has(id)) return { admitted: true, states: this.read(limits), delayMs: 0 };
    this.#subjects.sweep(now);
    for (let index = 0; index < limits.length; index++) this.#needed[index] = neededOf(limits[index]!.limit, demand);
    const binding = this.#look(limits, now);
    if (binding >= 0) return this.#refused(limits, binding);
    for (let index = 0; index < limits.length; index++) {
      const { remaining } = this.#counters[index]!;
      this.#taken[index] = takenOf(limits[index]!.limit, demand, this.#needed[index]!, remaining);
    }
    const delayMs = this.#delay(limits, now);
    const holds = new Array<Hold>(limits.length);
    for (let index = 0; index < limits.length; index++) {
      holds[index] = this.#counters[index]!.take(this.#taken[index]!);
    }
    return this.#hold(id, limits, demand.wanted, holds, delayMs);
  }

  extend(id: string, step: number, more: Amounts): Decision | null {
    const now = this.#advance();
    const reservation = this.#reservations.get(id);
    if (reservation === undefined) return null;
    const { limits } = reservation;
    const done = reservation.extensions?.length ?? 0;
    if (step <= done && reservation.extended !== null) return reservation.extended;
    for (let index = 0; index < limits.length; index++) this.#needed[index] = amountOf(limits[index]!.limit, more);
    const binding = this.#look(limits, now);
    if (binding >= 0) return this.#refused(limits, binding);
    const extension = new Array<Hold | null>(limits.length);
    for (let index = 0; index < limits.length; index++) {
      const amount = this.#needed[index]!;
      this.#taken[index] = amount;
      extension[index] = amount === 0 ? null : this.#counters[index]!.take(amount);
    }
    reservation.extensions ??= [];
    reservation.extensions.push(extension);
    reservation.extended = { admitted: true, states: this.#states(limits), delayMs: 0 };
    return reservation.extended;
  }

  settle(id: string, actual: Amounts): boolean {
    return this.#settle(id, actual);
  }

  charge(id: string, limits: readonly BoundLimit[], actual: Amounts): boolean {
    const now = this.#advance();
    if (this.#over.has(id) || this.#reservations.get(id) !== undefined) return false;
    for (const bound of limits) {
      const amount = amountOf(bound.limit, actual);
      if (bound.limit.dimension === 'concurrency' || amount === 0) continue;
      this.#subjects.counter(bound, now).take(amount).settle(amount, now);
    }
    this.#over.add(id, now);
    return true;
  }

  lock(id: string, limits: readonly BoundLimit[], wanted: readonly number[], needed: readonly number[]): Decision {
    const now = this.#advance();
    const before = this.#reservations.get(id);
    if (before !== undefined) return before.decision;
    for (let index = 0; index < limits.length; index++) this.#needed[index] = needed[index]!;
    const binding = this.#look(limits, now);
    if (binding >= 0) return this.#refused(limits, binding);
    const holds = new Array<Hold>(limits.length);
    for (let index = 0; index < limits.length; index++) {
      const counter = this.#counters[index]!;
      this.#taken[index] = Math.max(needed[index]!, Math.min(wanted[index]!, counter.remaining));
      holds[index] = counter.lock(this.#taken[index]!);
    }
    return this.#hold(id, limits, NOTHING, holds, 0);
  }

  unlock(id: string, used: readonly number[]): boolean {
    return this.#settle(id, used);
  }

  renew(ids: readonly string[]): void {
    const now = this.#advance();
    for (const id of ids) this.#reservations.renew(id, now);
  }

  read(limits: readonly BoundLimit[], demand?: Demand): readonly LimitState[] {
    const now = this.#advance();
    for (let index = 0; index < limits.length; index++) {
      const counter = this.#subjects.peek(limits[index]!, now);
      const needed = demand === undefined ? 1 : neededOf(limits[index]!.limit, demand);
      this.#counters[index] = counter;
      this.#passesAt[index] = needed === 0 ? now : counter.passesAt(needed);
      this.#taken[index] = 0;
    }
    return this.#states(limits);
  }

  held(): number {
    this.#advance();
    return this.#reservations.size;
  }

  close(): void {
    this.#subjects.clear();
    this.#reservations.clear();
  }

  #settle(id: string, actual: Actual): boolean {
    const now = this.#advance();
    if (this.#reservations.settle(id, actual, now)) return true;
    this.#over.add(id, now);
    return false;
  }

  #advance(): number {
    const wall = this.#clock.now();
    if (wall > this.#now) this.#now = wall;
    this.#behindMs = this.#now - wall;
    this.#reservations.expire(this.#now);
    this.#over.forget(this.#now);
    return this.#now;
  }

  /** The limit that binds longest where `#needed` is asked of each of `limits`; -1 when all of it passes. */
  #look(limits: readonly BoundLimit[], now: number): number {
    let binding = -1;
    let longest = now;
    for (let index = 0; index < limits.length; index++) {
      const bound = limits[index]!;
      const needed = this.#needed[index]!;
      const counter = this.#subjects.counter(bound, now);
      // Nothing asked for passes, whatever is owed.
      const passesAt = needed === 0 ? now : counter.passesAt(needed);
      this.#counters[index] = counter;
      this.#passesAt[index] = passesAt;
      if (passesAt > longest && bound.limit.onExceed !== 'report') {
        binding = index;
        longest = passesAt;
      }
    }
    return binding;
  }

  #refused(limits: readonly BoundLimit[], binding: number): Decision {
    for (let index = 0; index < limits.length; index++) this.#taken[index] = 0;
    return { admitted: false, binding, states: this.#states(limits) };
  }

  /** A limit that only reports holds nobody back. */
  #delay(limits: readonly BoundLimit[], now: number): number {
    let startsAt = now;
    for (let index = 0; index < limits.length; index++) {
      const { limit } = limits[index]!;
      if (limit.onExceed !== 'report') startsAt = Math.max(startsAt, this.#counters[index]!.startsAt);
    }
    return this.#waitUntil(startsAt);
  }

  #hold(id: string, limits: readonly BoundLimit[], wanted: Amounts, holds: Hold[], delayMs: number): Admission {
    const decision: Admission = { admitted: true, states: this.#states(limits), delayMs };
    const reservation: Reservation = {
      limits,
      wanted,
      holds,
      extensions: null,
      decision,
      extended: null,
      expiresAt: 0,
    };
    this.#reservations.add(id, reservation, this.#now);
    return decision;
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
        taken: this.#taken[index]!,
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

const NOTHING: Amounts = { requests: 0, inputTokens: 0, outputTokens: 0, cost: 0, parts: null };
