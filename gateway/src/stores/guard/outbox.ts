/**
 * What the store has to be told and was not: how requests settled, and what was used without asking it.
 *
 * Invariants
 *  (1) What is put in stays until the store has answered to it; what the store has answered to is never sent again.
 *  (2) Sending twice does no harm, because the store counts each id once. The first settlement of an id stands.
 *  (3) One batch is under way at a time, so that live calls wait behind a batch at most.
 *  (4) What fails goes to the end, so that one delivery the store cannot take holds up none of the others.
 */
import type { Clock, Timer } from '../../clock.ts';
import type { Amounts, BoundLimit } from '../../policy/limit.ts';
import type { LimitStore } from '../limit-store.ts';
import type { GuardLog, RoundTrips } from './round-trips.ts';

/** One settlement, or one charge where there are limits to charge. */
interface Delivery {
  readonly id: string;
  readonly limits: readonly BoundLimit[] | null;
  readonly actual: Amounts;
}

/** How many deliveries are under way at a time. */
const BATCH = 64;
/** How long after a failure deliveries are tried again, while other calls go through. */
const AGAIN_MS = 500;

export class Outbox {
  /** Deliveries that were lost because there was no room. */
  dropped = 0;
  readonly #clock: Clock;
  readonly #remote: LimitStore;
  readonly #trips: RoundTrips;
  readonly #most: number;
  readonly #log: GuardLog;
  readonly #deliveries = new Map<string, Delivery>();
  #sending = false;
  #again: Timer | null = null;

  /** @param most how many deliveries are kept; about 200 bytes each. */
  constructor(clock: Clock, remote: LimitStore, trips: RoundTrips, most: number, log: GuardLog) {
    this.#clock = clock;
    this.#remote = remote;
    this.#trips = trips;
    this.#most = most;
    this.#log = log;
  }

  get size(): number {
    return this.#deliveries.size;
  }

  /** Whether nothing waits and nothing is being sent. */
  get idle(): boolean {
    return this.#deliveries.size === 0 && !this.#sending;
  }

  /** False when the id was settled before. */
  settle(id: string, actual: Amounts): boolean {
    return this.#add(`settle ${id}`, { id, limits: null, actual });
  }

  /** False when the id was charged before. */
  charge(id: string, limits: readonly BoundLimit[], actual: Amounts): boolean {
    return this.#add(`charge ${id}`, { id, limits, actual });
  }

  /** Delivers what there is, batch by batch, while the store answers. */
  deliver(): void {
    if (this.#sending || this.#deliveries.size === 0 || !this.#trips.open) return;
    this.#clock.clear(this.#again);
    this.#again = null;
    this.#sending = true;
    void this.#deliverAll();
  }

  stop(): void {
    this.#clock.clear(this.#again);
    this.#deliveries.clear();
  }

  #add(key: string, delivery: Delivery): boolean {
    if (this.#deliveries.has(key)) return false;
    if (this.#deliveries.size >= this.#most) {
      this.dropped++;
      if (this.dropped === 1 || this.dropped % this.#most === 0) {
        this.#log('error', 'settlements are lost: too many wait for the limit store', {
          pending: this.#deliveries.size,
          dropped: this.dropped,
        });
      }
      return true;
    }
    this.#deliveries.set(key, delivery);
    if (this.#trips.open) this.#deliverLater();
    return true;
  }

  #deliverLater(): void {
    this.#again ??= this.#clock.after(AGAIN_MS, () => {
      this.#again = null;
      this.deliver();
    });
  }

  async #deliverAll(): Promise<void> {
    let all = true;
    while (all && this.#deliveries.size > 0 && this.#trips.open) {
      const batch = [...this.#deliveries.keys().take(BATCH)];
      const delivered = await Promise.all(batch.map((key) => this.#send(key)));
      all = !delivered.includes(false);
    }
    this.#sending = false;
    if (!all && this.#trips.open) this.#deliverLater();
  }

  /** Whether the store took it. */
  #send(key: string): boolean | Promise<boolean> {
    const delivery = this.#deliveries.get(key);
    // The failures of others in this batch may have given the store up.
    if (delivery === undefined || !this.#trips.open) return false;
    const { id, limits, actual } = delivery;
    return this.#trips.ask(
      () => (limits === null ? this.#remote.settle(id, actual) : this.#remote.charge(id, limits, actual)),
      () => {
        this.#deliveries.delete(key);
        return true;
      },
      () => {
        if (this.#deliveries.delete(key)) this.#deliveries.set(key, delivery);
        return false;
      },
    );
  }
}
