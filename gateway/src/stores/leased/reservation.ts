/**
 * Requests in flight that hold something of this process's parts.
 *
 * Invariants
 *  (1) Reservations are in order of expiry, because all are held equally long and a renewed one goes to the end.
 */
import type { Amounts, BoundLimit } from '../../policy/limit.ts';
import type { Answer, Decision } from '../limit-store.ts';
import { ROOM, roomyMap } from '../roomy-map.ts';
import type { Part } from './part.ts';

/** What was taken of a part that another one has replaced since. */
interface Earlier {
  readonly index: number;
  readonly part: Part;
  readonly taken: number;
}

export class Reservation {
  readonly limits: readonly BoundLimit[];
  /** By limit: the part that was taken of, null where the store decides. */
  readonly parts: (Part | null)[];
  readonly taken: number[];
  /** The limits that the store decides, in order; null when there are none. */
  exact: readonly BoundLimit[] | null;
  /** Null until it is decided. */
  decision: Decision | null = null;
  answer: Answer<Decision> | null = null;
  /** What it used, when it was settled before it was decided. */
  settled: Amounts | null = null;
  /** The latest extension and its answer. */
  step = 0;
  extended: Answer<Decision | null> = null;
  over = false;
  expiresAt = 0;
  #earlier: Earlier[] | null = null;

  constructor(limits: readonly BoundLimit[], exact: readonly BoundLimit[] | null) {
    this.limits = limits;
    this.exact = exact;
    this.parts = new Array<Part | null>(limits.length).fill(null);
    this.taken = new Array<number>(limits.length).fill(0);
  }

  take(index: number, part: Part, amount: number): void {
    const before = this.parts[index]!;
    if (before !== part && before !== null) {
      this.#earlier ??= [];
      this.#earlier.push({ index, part: before, taken: this.taken[index]! });
      this.taken[index] = 0;
    }
    part.take(amount);
    this.parts[index] = part;
    this.taken[index]! += amount;
  }

  /** Takes back what {@link take} did last at `index`. */
  undo(index: number, amount: number): void {
    this.parts[index]!.settle(amount, 0);
    this.taken[index]! -= amount;
  }

  /** Gives each part its share of `actual`, the earliest first; the latest gets all that is over. */
  settle(index: number, actual: number): void {
    let rest = actual;
    for (const earlier of this.#earlier ?? []) {
      if (earlier.index !== index) continue;
      const share = Math.min(rest, earlier.taken);
      earlier.part.settle(earlier.taken, share);
      rest -= share;
    }
    this.parts[index]!.settle(this.taken[index]!, rest);
  }

  /** What was taken at `index` altogether. */
  takenAt(index: number): number {
    let taken = this.taken[index]!;
    for (const earlier of this.#earlier ?? []) if (earlier.index === index) taken += earlier.taken;
    return taken;
  }

  /** The parts that something was taken of before they were replaced. */
  *earlierParts(): Iterable<Part> {
    for (const { part } of this.#earlier ?? []) yield part;
  }
}

export class Reservations {
  readonly #byId = roomyMap<Reservation>();
  readonly #leaseMs: number;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  get size(): number {
    return this.#byId.size - ROOM;
  }

  /** How many hold nothing in the store. */
  countLocal(): number {
    let count = 0;
    for (const reservation of this.#byId.values()) if (reservation?.exact === null) count++;
    return count;
  }

  get(id: string): Reservation | undefined {
    return this.#byId.get(id);
  }

  /** `now` is monotonic, in milliseconds. */
  add(id: string, reservation: Reservation, now: number): void {
    reservation.expiresAt = now + this.#leaseMs;
    this.#byId.set(id, reservation);
  }

  remove(id: string): void {
    this.#byId.delete(id);
  }

  renew(id: string, reservation: Reservation, now: number): void {
    this.#byId.delete(id);
    this.add(id, reservation, now);
  }

  /** Removes and returns one that nobody renewed in time; undefined when there is none. */
  expired(now: number): Reservation | undefined {
    for (const [id, reservation] of this.#byId) {
      if (reservation === undefined) continue;
      if (reservation.expiresAt > now) return undefined;
      this.#byId.delete(id);
      return reservation;
    }
    return undefined;
  }

  clear(): void {
    for (const [id, reservation] of this.#byId) if (reservation !== undefined) this.#byId.delete(id);
  }
}
