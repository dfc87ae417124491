/**
 * Limits in front of a store across the network: those with `sharing: 'leased'` are decided from a part of the amount that this
 * process holds, all others by the store. A request whose limits are all leased and covered is answered at once.
 *
 * Over-admission: none (see part.ts). Stranding: see parts.ts. The price: a unit counts until its request is over and one window
 * more, where the store alone would count it for one window from the start. States of leased limits are the store's latest word
 * (at most PART_MS old while there is traffic) and what this process did since; what others hold is not in `remaining`.
 * Concurrency and leaky buckets are always the store's to decide.
 *
 * Invariants
 *  (1) A request takes of all its limits or of none: parts first, then the store; where the store refuses, parts get theirs back.
 *  (2) Every refusal is the store's word, of now or of a moment ago, and so is its retry time.
 *  (3) What a request took of a part ends exactly once: settled by its holder, undone by a refusal, or, not renewed for a lease,
 *      by the policy for orphans.
 */
import type { Clock, Ids, Timer } from '../../clock.ts';
import { type Demand, exactly, neededOf } from '../../policy/demand.ts';
import { type Amounts, amountOf, type BoundLimit } from '../../policy/limit.ts';
import {
  type Answer,
  type Decision,
  LEASE_MS,
  type LimitState,
  type LimitStore,
  type LockingStore,
  type Orphans,
} from '../limit-store.ts';
import type { Part } from './part.ts';
import { Parts, SWEEP_MS } from './parts.ts';
import { Reservation, Reservations } from './reservation.ts';
import { ASK, isLeased, joined, Taking } from './taking.ts';

export interface LeasedOptions {
  /** How long the store holds what is not renewed, in milliseconds. */
  readonly leaseMs?: number;
  readonly orphans?: Orphans;
}

export class LeasedLimitStore implements LimitStore {
  readonly #store: LockingStore;
  readonly #clock: Clock;
  readonly #orphans: Orphans;
  readonly #parts: Parts;
  readonly #taking: Taking;
  readonly #reservations: Reservations;
  #sweeps: Timer | null = null;

  /** `options` are those of `store`. */
  constructor(store: LockingStore, clock: Clock, ids: Ids, options: LeasedOptions = {}) {
    const { leaseMs = LEASE_MS, orphans = 'charge' } = options;
    this.#store = store;
    this.#clock = clock;
    this.#orphans = orphans;
    this.#parts = new Parts(store, clock, leaseMs, ids.request());
    this.#taking = new Taking(this.#parts, clock);
    this.#reservations = new Reservations(leaseMs);
  }

  reserve(id: string, limits: readonly BoundLimit[], demand: Demand): Answer<Decision> {
    if (!anyLeased(limits)) return this.#store.reserve(id, limits, demand);
    const before = this.#reservations.get(id);
    if (before !== undefined) return before.answer!;
    const now = this.#clock.monotonic();
    const outlook = this.#taking.look(limits, demand, now);
    this.#taking.count(limits, now);
    const exact = exactOf(limits);
    if (outlook === 'refused' && exact === null) return this.#taking.refuse(limits, now);
    const reservation = new Reservation(limits, exact);
    this.#reservations.add(id, reservation, now);
    if (outlook === 'covered' && exact === null) {
      this.#taking.take(reservation, demand);
      reservation.decision = admission(reservation, now, reservation.taken);
      reservation.answer = reservation.decision;
    } else {
      this.#sweeps ??= this.#clock.every(SWEEP_MS, () => this.#sweep());
      reservation.answer = this.#decide(id, reservation, demand);
    }
    return reservation.answer;
  }

  extend(id: string, step: number, more: Amounts): Answer<Decision | null> {
    const reservation = this.#reservations.get(id);
    if (reservation === undefined || reservation.exact === reservation.limits)
      return this.#store.extend(id, step, more);
    if (step <= reservation.step) return reservation.extended;
    const demand = exactly(more);
    const now = this.#clock.monotonic();
    const { limits, exact } = reservation;
    if (exact === null && this.#taking.look(limits, demand, now) === 'covered') {
      this.#taking.take(reservation, demand);
      reservation.step = step;
      reservation.extended = admission(reservation, now, amountsOf(limits, more));
    } else {
      reservation.step = step;
      reservation.extended = this.#decideExtension(id, reservation, step, more);
    }
    return reservation.extended;
  }

  settle(id: string, actual: Amounts): Answer<boolean> {
    const reservation = this.#reservations.get(id);
    if (reservation === undefined) return this.#store.settle(id, actual);
    if (reservation.decision === null) {
      // Its reserve is under way: whoever asked has given it up.
      if (reservation.settled !== null) return false;
      reservation.settled = actual;
      return true;
    }
    this.#reservations.remove(id);
    this.#settleParts(reservation, actual);
    return reservation.exact === null || this.#store.settle(id, actual);
  }

  charge(id: string, limits: readonly BoundLimit[], actual: Amounts): Answer<boolean> {
    return this.#reservations.get(id) === undefined && this.#store.charge(id, limits, actual);
  }

  renew(ids: readonly string[]): Answer<void> {
    const now = this.#clock.monotonic();
    const held = this.#parts.lockIds();
    for (const id of ids) {
      const reservation = this.#reservations.get(id);
      if (reservation !== undefined) this.#reservations.renew(id, reservation, now);
      if (reservation === undefined || reservation.exact !== null) held.push(id);
    }
    if (held.length === 0) return;
    const answer = this.#store.renew(held);
    if (answer instanceof Promise) return answer.then(() => this.#parts.renewed(now));
    this.#parts.renewed(now);
  }

  read(limits: readonly BoundLimit[], demand?: Demand): Answer<readonly LimitState[]> {
    const states = this.#store.read(limits, demand);
    return states instanceof Promise
      ? states.then((all) => this.#seenFromHere(all, demand))
      : this.#seenFromHere(states, demand);
  }

  /** What the store holds but for the locks of this process, and what is held of this process's parts alone. */
  async held(): Promise<number> {
    const held = await this.#store.held();
    return held - this.#parts.lockIds().length + this.#reservations.countLocal();
  }

  /** Gives back every part and closes the store. What is in flight counts as it was taken. */
  async close(): Promise<void> {
    this.#clock.clear(this.#sweeps);
    this.#sweeps = null;
    await this.#parts.close();
    this.#reservations.clear();
    await this.#store.close();
  }

  async #decide(id: string, reservation: Reservation, demand: Demand): Promise<Decision> {
    let decision: Decision;
    try {
      decision = await this.#ask(id, reservation, demand);
    } catch (error) {
      this.#reservations.remove(id);
      throw error;
    }
    reservation.decision = decision;
    if (this.#reservations.get(id) !== reservation) this.#abandon(reservation);
    else if (!decision.admitted) this.#reservations.remove(id);
    else if (reservation.settled !== null) await this.settle(id, reservation.settled);
    return decision;
  }

  async #ask(id: string, reservation: Reservation, demand: Demand): Promise<Decision> {
    const { limits, exact } = reservation;
    const refusal = await this.#taking.takeOrWait(reservation, demand, true);
    if (refusal === ASK) {
      reservation.exact = limits;
      return this.#store.reserve(id, limits, demand);
    }
    if (refusal !== null) return refusal;
    if (exact === null) return admission(reservation, this.#clock.monotonic(), reservation.taken);
    return this.#askRest(reservation, reservation.taken, this.#store.reserve(id, exact, demand));
  }

  async #decideExtension(id: string, reservation: Reservation, step: number, more: Amounts): Promise<Decision | null> {
    let decision: Decision | null = null;
    try {
      decision = await this.#askExtension(id, reservation, step, more);
      return decision;
    } finally {
      // What took nothing may be asked again.
      if (!decision?.admitted && reservation.step === step) reservation.step = step - 1;
    }
  }

  async #askExtension(id: string, reservation: Reservation, step: number, more: Amounts): Promise<Decision | null> {
    const { limits, exact } = reservation;
    const refusal = await this.#taking.takeOrWait(reservation, exactly(more), false);
    if (refusal !== null) return reservation.over ? null : (refusal as Decision);
    const amounts = amountsOf(limits, more);
    if (exact === null) return admission(reservation, this.#clock.monotonic(), amounts);
    return this.#askRest(reservation, amounts, this.#store.extend(id, step, more));
  }

  /** The decision on everything once that of the store on the rest is there; `taken` of the parts is undone unless it admits. */
  async #askRest<Rest extends Decision | null>(
    reservation: Reservation,
    taken: readonly number[],
    asked: Answer<Rest>,
  ): Promise<Decision | Rest> {
    // Copied, because what a reservation took grows with its extensions and what it undoes shrinks.
    const amounts = taken.slice();
    let rest: Rest | null = null;
    try {
      rest = await asked;
      if (rest === null) return asked;
    } finally {
      if (!rest?.admitted && !reservation.over) this.#undo(reservation, amounts);
    }
    return joined(reservation, this.#clock.monotonic(), rest, rest.admitted ? amounts : null);
  }

  #undo(reservation: Reservation, amounts: readonly number[]): void {
    for (const [index, part] of reservation.parts.entries()) {
      if (part === null) continue;
      reservation.undo(index, amounts[index]!);
      this.#giveBack(part);
    }
  }

  #settleParts(reservation: Reservation, actual: Amounts): void {
    const { limits, parts } = reservation;
    reservation.over = true;
    for (let index = 0; index < limits.length; index++) {
      const part = parts[index]!;
      if (part === null) continue;
      reservation.settle(index, amountOf(limits[index]!.limit, actual));
      this.#giveBack(part);
    }
    for (const part of reservation.earlierParts()) this.#giveBack(part);
  }

  /** Whether it was used, nobody can say any more. */
  #abandon(reservation: Reservation): void {
    reservation.over = true;
    for (const [index, part] of reservation.parts.entries()) {
      if (part === null) continue;
      reservation.settle(index, this.#orphans === 'charge' ? reservation.takenAt(index) : 0);
    }
  }

  /** Gives back at once what others wait for, or what nobody here takes any more. */
  #giveBack(part: Part): void {
    const wanted = part.waiting > 0 || part.pace.isHotAt(this.#clock.monotonic());
    if (part.retired || part.left < 0 || (part.tight && !wanted)) this.#parts.release(part);
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    for (let next = this.#reservations.expired(now); next !== undefined; next = this.#reservations.expired(now)) {
      if (next.decision !== null) this.#abandon(next);
    }
    this.#parts.sweep(now);
    if (!this.#parts.isEmpty || this.#reservations.size > 0) return;
    this.#clock.clear(this.#sweeps);
    this.#sweeps = null;
  }

  #seenFromHere(states: readonly LimitState[], demand?: Demand): readonly LimitState[] {
    return states.map((state) => {
      const needed = demand === undefined ? 1 : neededOf(state.bound.limit, demand);
      return this.#parts.peek(state.bound)?.seenFromHere(state, needed) ?? state;
    });
  }
}

function anyLeased(limits: readonly BoundLimit[]): boolean {
  for (let index = 0; index < limits.length; index++) if (isLeased(limits[index]!.limit)) return true;
  return false;
}

/** The limits that the store decides; null when there are none. */
function exactOf(limits: readonly BoundLimit[]): readonly BoundLimit[] | null {
  let exact: BoundLimit[] | null = null;
  for (let index = 0; index < limits.length; index++) {
    if (isLeased(limits[index]!.limit)) continue;
    exact ??= [];
    exact.push(limits[index]!);
  }
  return exact;
}

function amountsOf(limits: readonly BoundLimit[], amounts: Amounts): number[] {
  return limits.map(({ limit }) => amountOf(limit, amounts));
}

/** Of what took `amounts` of parts alone. */
function admission({ limits, parts }: Reservation, now: number, amounts: readonly number[]): Decision {
  const states = new Array<LimitState>(limits.length);
  for (let index = 0; index < limits.length; index++) states[index] = parts[index]!.stateAt(now, amounts[index]!, 0);
  return { admitted: true, states, delayMs: 0 };
}
