/**
 * What requests in flight hold, and what was locked.
 *
 * Invariants
 *  (1) Reservations are in order of expiry, because all are held equally long and a renewed one goes to the end.
 *  (2) Whatever leaves the map has settled each of its holds, once.
 */
import type { Hold } from '../../policy/counter.ts';
import { type Amounts, amountOf, type BoundLimit } from '../../policy/limit.ts';
import type { Decision, Orphans } from '../limit-store.ts';
import { ROOM, roomyMap } from '../roomy-map.ts';

export interface Reservation {
  /** In the same order as `holds`. */
  limits: readonly BoundLimit[];
  readonly wanted: Amounts;
  readonly holds: Hold[];
  /** What was taken on top, in order; null where an extension took nothing of a limit. */
  extensions: (Hold | null)[][] | null;
  readonly decision: Decision;
  /** The answer to the latest extension. */
  extended: Decision | null;
  expiresAt: number;
}

/** What is settled of each limit: by what the request used, or limit by limit. */
export type Actual = Amounts | readonly number[];

export class Reservations {
  readonly #byId = roomyMap<Reservation>();
  readonly #leaseMs: number;
  readonly #orphans: Orphans;
  /** Nothing expires before this. */
  #nextExpiry = Number.POSITIVE_INFINITY;

  constructor(leaseMs: number, orphans: Orphans) {
    this.#leaseMs = leaseMs;
    this.#orphans = orphans;
  }

  get size(): number {
    return this.#byId.size - ROOM;
  }

  get(id: string): Reservation | undefined {
    return this.#byId.get(id);
  }

  add(id: string, reservation: Reservation, now: number): void {
    reservation.expiresAt = now + this.#leaseMs;
    if (reservation.expiresAt < this.#nextExpiry) this.#nextExpiry = reservation.expiresAt;
    this.#byId.set(id, reservation);
  }

  settle(id: string, actual: Actual, now: number): boolean {
    const reservation = this.#remove(id);
    if (reservation === undefined) return false;
    const { limits } = reservation;
    for (let index = 0; index < limits.length; index++) {
      const amount = isList(actual) ? actual[index]! : amountOf(limits[index]!.limit, actual);
      settleHold(reservation, index, amount, now);
    }
    return true;
  }

  renew(id: string, now: number): void {
    const reservation = this.#remove(id);
    if (reservation === undefined) return;
    this.add(id, reservation, now);
    for (const hold of reservation.holds) hold.renew(now);
  }

  /** Settles what nobody renewed: whether it was used, nobody can say any more. */
  expire(now: number): void {
    if (now < this.#nextExpiry) return;
    this.#nextExpiry = Number.POSITIVE_INFINITY;
    for (const [id, reservation] of this.#byId) {
      if (reservation === undefined) continue;
      if (reservation.expiresAt > now) {
        this.#nextExpiry = reservation.expiresAt;
        return;
      }
      this.#remove(id);
      for (let index = 0; index < reservation.limits.length; index++) {
        settleHold(reservation, index, this.#orphans === 'charge' ? takenBy(reservation, index) : 0, now);
      }
    }
  }

  *all(): Iterable<Reservation> {
    for (const reservation of this.#byId.values()) if (reservation !== undefined) yield reservation;
  }

  clear(): void {
    for (const [id, reservation] of this.#byId) if (reservation !== undefined) this.#byId.delete(id);
    this.#nextExpiry = Number.POSITIVE_INFINITY;
  }

  #remove(id: string): Reservation | undefined {
    const reservation = this.#byId.get(id);
    if (reservation !== undefined) this.#byId.delete(id);
    return reservation;
  }
}

function isList(actual: Actual): actual is readonly number[] {
  return Array.isArray(actual);
}

/** What the reservation took of its limit at `index`, extensions included. */
function takenBy({ holds, extensions }: Reservation, index: number): number {
  let taken = holds[index]!.amount;
  if (extensions !== null) for (const extension of extensions) taken += extension[index]?.amount ?? 0;
  return taken;
}

/** Gives each part of what was taken its share of `actual`, the earliest first; the latest gets all that is over. */
function settleHold({ holds, extensions }: Reservation, index: number, actual: number, now: number): void {
  let last = holds[index]!;
  let rest = actual;
  if (extensions !== null) {
    for (const extension of extensions) {
      const next = extension[index] ?? null;
      if (next === null) continue;
      const share = Math.min(rest, last.amount);
      last.settle(share, now);
      rest -= share;
      last = next;
    }
  }
  last.settle(rest, now);
}
