/**
 * A limit store across the network, for callers that cannot wait and must not lose count (R12).
 *
 * While the store answers, each call is passed on. While it does not, each limit does what its `onStoreError` says, at once and
 * in this process; what the store missed it is told when it is back.
 *
 * Invariants
 *  (1) A request is decided in one place: by the store, or here when the store did not answer. What the store may have taken for
 *      a request that was decided here is given back by a settlement with nothing, which also keeps a reserve that arrives late
 *      from taking anything.
 *  (2) What the store admitted is settled at the store; what was admitted here is charged to it, under an id of its own. Each
 *      exactly once, since the store counts an id once, and both are repeated until they are answered.
 *  (3) Only what the store does not hold when it is told is lost: what it gave up because a lease ended in the outage (that
 *      counts by its policy for orphans), and what did not fit the bounded queue ({@link GuardedLimitStore.dropped}).
 *  (4) Once the store may have taken something for an id that was decided here, it is never asked about that id again: the
 *      settlement under way would end what it gave.
 */
import type { Clock } from '../../clock.ts';
import type { Demand } from '../../policy/demand.ts';
import type { Amounts, BoundLimit } from '../../policy/limit.ts';
import { type Answer, type Decision, LEASE_MS, type LimitState, type LimitStore } from '../limit-store.ts';
import type { MemoryOptions } from '../memory/index.ts';
import { Over } from '../memory/over.ts';
import { ROOM, roomyMap } from '../roomy-map.ts';
import type { StoreUnavailable } from '../store-unavailable.ts';
import { Denials } from './denials.ts';
import { LocalLimits } from './local-limits.ts';
import { Outbox } from './outbox.ts';
import { RoundTrips, type WayThere } from './round-trips.ts';

export interface GuardOptions extends WayThere, MemoryOptions {
  /** How many processes share the limits, as last known while the store answered. */
  readonly processes: () => number;
  /** How many settlements and charges are kept for the store; what is over is dropped. */
  readonly mostPending: number;
  /** How many refusals are remembered. */
  readonly mostDenials: number;
  /** How long {@link GuardedLimitStore.close} tries to deliver what is pending, in milliseconds. */
  readonly closeWithinMs: number;
}

/** How often a store that is closing looks whether everything is delivered. */
const LOOK_MS = 10;

const NOTHING: Amounts = { requests: 0, inputTokens: 0, outputTokens: 0, cost: 0, parts: null };

export class GuardedLimitStore implements LimitStore {
  readonly #remote: LimitStore;
  readonly #clock: Clock;
  readonly #options: GuardOptions;
  readonly #trips: RoundTrips;
  readonly #outbox: Outbox;
  readonly #local: LocalLimits;
  readonly #denials: Denials;
  /** The limits of requests in flight that the store admitted. */
  readonly #there = roomyMap<readonly BoundLimit[]>();
  /** The limits of requests in flight that were admitted here. */
  readonly #here = roomyMap<readonly BoundLimit[]>();
  /** Ids of (4), for as long as a request may wait to ask again. */
  readonly #spent: Over;
  #denied = 0;

  constructor(remote: LimitStore, clock: Clock, options: GuardOptions) {
    this.#remote = remote;
    this.#clock = clock;
    this.#options = options;
    this.#trips = new RoundTrips(clock, options, () => this.#outbox.deliver());
    this.#outbox = new Outbox(clock, remote, this.#trips, options.mostPending, options.log);
    this.#local = new LocalLimits(clock, options, options.processes, () => this.#trips.retryAfterMs);
    this.#denials = new Denials(options.mostDenials);
    this.#spent = new Over(options.leaseMs ?? LEASE_MS);
  }

  /** 1 while the store is given up, otherwise 0. */
  get degraded(): 0 | 1 {
    return this.#trips.open ? 0 : 1;
  }

  /** Settlements and charges that the store has yet to be told. */
  get pending(): number {
    return this.#outbox.size;
  }

  /** Settlements and charges that were lost for lack of room. */
  get dropped(): number {
    return this.#outbox.dropped;
  }

  /** Requests refused from memory, without asking the store. */
  get denied(): number {
    return this.#denied;
  }

  /** Calls sent to the store, probes included. */
  get roundTrips(): number {
    return this.#trips.sent;
  }

  /** The store was away when it was opened: no request has to find that out. */
  giveUpStore(error: StoreUnavailable): void {
    this.#trips.giveUpStore(error);
  }

  reserve(id: string, limits: readonly BoundLimit[], demand: Demand): Answer<Decision> {
    const denied = this.#denials.find(limits, demand, this.#clock.monotonic());
    if (denied !== null && !this.#there.has(id) && !this.#here.has(id)) {
      this.#denied++;
      return denied;
    }
    if (!this.#trips.open || this.#here.has(id) || this.#spent.has(id)) return this.#reserveHere(id, limits, demand);
    return this.#trips.ask(
      () => this.#remote.reserve(id, limits, demand),
      (decision) => {
        if (decision.admitted) this.#there.set(id, limits);
        else this.#denials.note(limits, demand, decision, this.#clock.monotonic());
        return decision;
      },
      () => {
        this.#spend(id);
        return this.#reserveHere(id, limits, demand);
      },
    );
  }

  extend(id: string, step: number, more: Amounts): Answer<Decision | null> {
    const limits = this.#here.get(id);
    if (limits !== undefined) return this.#local.extend(id, step, limits, more);
    if (!this.#trips.open) return this.#extendAside(id, step, more);
    return this.#trips.ask(
      () => this.#remote.extend(id, step, more),
      (decision) => decision,
      () => this.#extendAside(id, step, more),
    );
  }

  settle(id: string, actual: Amounts): Answer<boolean> {
    const here = this.#here.get(id);
    if (here !== undefined) return this.#settleHere(id, here, actual);
    const there = this.#there.get(id);
    if (there !== undefined) {
      this.#there.delete(id);
      this.#denials.settled(there);
    }
    if (!this.#trips.open) return this.#settleLater(id, actual, there !== undefined);
    return this.#trips.ask(
      () => this.#remote.settle(id, actual),
      (settled) => settled,
      () => this.#settleLater(id, actual, there !== undefined),
    );
  }

  charge(id: string, limits: readonly BoundLimit[], actual: Amounts): Answer<boolean> {
    if (!this.#trips.open) return this.#chargeLater(id, limits, actual);
    return this.#trips.ask(
      () => this.#remote.charge(id, limits, actual),
      (charged) => charged,
      () => this.#chargeLater(id, limits, actual),
    );
  }

  /** A renewal that fails is not repeated: the next one comes before the lease ends. */
  renew(ids: readonly string[]): Answer<void> {
    const here = this.#here.size === ROOM ? [] : ids.filter((id) => this.#here.has(id));
    this.#local.renew(here);
    const there = here.length === 0 ? ids : ids.filter((id) => !this.#here.has(id));
    if (there.length === 0 || !this.#trips.open) return;
    return this.#trips.ask(() => this.#remote.renew(there), nothing, nothing);
  }

  /** While the store does not answer: what this process counted of its own shares. */
  read(limits: readonly BoundLimit[], demand?: Demand): Answer<readonly LimitState[]> {
    if (!this.#trips.open) return this.#local.read(limits, demand);
    return this.#trips.ask(
      () => this.#remote.read(limits, demand),
      (states) => states,
      () => this.#local.read(limits, demand),
    );
  }

  /** What the store holds and what is held here; while the store does not answer, what this process holds of it. */
  held(): Answer<number> {
    if (!this.#trips.open) return this.#heldByThisProcess();
    return this.#trips.ask(
      () => this.#remote.held(),
      (held) => held + this.#here.size - ROOM,
      () => this.#heldByThisProcess(),
    );
  }

  /** Delivers what is pending, for as long as it may take, and closes the store. What is then not delivered is lost, and logged. */
  async close(): Promise<void> {
    const giveUpAt = this.#clock.monotonic() + this.#options.closeWithinMs;
    this.#outbox.deliver();
    while ((!this.#outbox.idle || this.#trips.underWay) && this.#clock.monotonic() < giveUpAt) {
      await new Promise<void>((resolve) => this.#clock.after(LOOK_MS, resolve));
    }
    this.#trips.stop();
    const { size: pending } = this.#outbox;
    if (pending > 0)
      this.#options.log('error', 'settlements are lost: the limit store did not answer to the end', { pending });
    this.#outbox.stop();
    this.#local.close();
    await this.#remote.close();
  }

  #reserveHere(id: string, limits: readonly BoundLimit[], demand: Demand): Decision {
    // The store holds it already, and would answer so.
    if (this.#there.has(id)) return { admitted: true, states: this.#local.read(limits), delayMs: 0 };
    const decision = this.#local.reserve(id, limits, demand);
    if (decision.admitted) this.#here.set(id, limits);
    return decision;
  }

  #spend(id: string): void {
    if (this.#there.has(id)) return;
    const now = this.#clock.now();
    this.#spent.forget(now);
    this.#spent.add(id, now);
    this.#outbox.settle(id, NOTHING);
  }

  /** The settlement brings the store what was really used, whoever let it through. */
  #extendAside(id: string, step: number, more: Amounts): Decision | null {
    const limits = this.#there.get(id);
    return limits === undefined ? null : this.#local.extendAside(id, step, limits, more);
  }

  #settleHere(id: string, limits: readonly BoundLimit[], actual: Amounts): true {
    this.#here.delete(id);
    this.#local.settle(id, actual);
    this.#outbox.charge(`${id}+here`, limits, actual);
    this.#outbox.deliver();
    return true;
  }

  #settleLater(id: string, actual: Amounts, held: boolean): boolean {
    return this.#outbox.settle(id, actual) && held;
  }

  #chargeLater(id: string, limits: readonly BoundLimit[], actual: Amounts): boolean {
    this.#local.charge(id, limits, actual);
    return this.#outbox.charge(id, limits, actual);
  }

  #heldByThisProcess(): number {
    return this.#there.size + this.#here.size - 2 * ROOM;
  }
}

function nothing(): void {}
