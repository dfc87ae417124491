/**
 * What requests in flight hold.
 *
 * Invariants
 *  (1) Reservations are in order of expiry, because all are held equally long and a renewed one goes to the end.
 *  (2) Whatever leaves the map has settled each of its holds, once.
 */
import type { Hold } from '../../policy/counter.ts';
import { type Amounts, amountOf, type BoundLimit } from '../../policy/limit.ts';
import type { Decision } from '../limit-store.ts';
import { ROOM, roomyMap } from './roomy-map.ts';

/** How long a reservation is held without being renewed, in milliseconds. */
export const HOLD_MS = 120_000;

export interface Reservation {
  /** In the same order as `holds`. */
  limits: readonly BoundLimit[];
  readonly amounts: Amounts;
  readonly holds: Hold[];
  readonly decision: Decision;
  expiresAt: number;
}

export class Reservations {
  readonly #byId = roomyMap<Reservation>();
  /** Nothing expires before this. */
  #nextExpiry = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#byId.size - ROOM;
  }

  get(id: string): Reservation | undefined {
    return this.#byId.get(id);
  }

  add(id: string, reservation: Reservation, now: number): void {
    reservation.expiresAt = now + HOLD_MS;
    if (reservation.expiresAt < this.#nextExpiry) this.#nextExpiry = reservation.expiresAt;
    this.#byId.set(id, reservation);
  }

  settle(id: string, actual: Amounts, now: number): boolean {
    const reservation = this.#remove(id);
    if (reservation === undefined) return false;
    settleHolds(reservation, actual, now);
    return true;
  }

  renew(id: string, now: number): void {
    const reservation = this.#remove(id);
    if (reservation === undefined) return;
    this.add(id, reservation, now);
    for (const hold of reservation.holds) hold.renew(now);
  }

  /** Settles what nobody renewed at what it reserved: whether it was used, nobody can say any more. */
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
      settleHolds(reservation, reservation.amounts, now);
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

function settleHolds(reservation: Reservation, actual: Amounts, now: number): void {
  const { limits, holds } = reservation;
  for (let index = 0; index < holds.length; index++) {
    holds[index]!.settle(amountOf(limits[index]!.limit.dimension, actual), now);
  }
}
