/**
 * What a request asks of the parts: first it looks at all of them, then it takes of all or of none.
 *
 * Invariants
 *  (1) What {@link Taking.look} found is used before anything else happens: nobody awaits in between.
 */
import type { Clock } from '../../clock.ts';
import { type Demand, neededOf, takenOf } from '../../policy/demand.ts';
import { type BoundLimit, capacityOf, type Limit } from '../../policy/limit.ts';
import type { Decision, LimitState, Refusal } from '../limit-store.ts';
import type { Part } from './part.ts';
import type { Parts } from './parts.ts';
import type { Reservation } from './reservation.ts';

/** What stands between a request and its leased limits. */
export type Outlook =
  /** Nothing: every part has enough left. */
  | 'covered'
  /** A part has too little, and nobody knows whether the store has more. */
  | 'short'
  /** The store said that it has no more. */
  | 'refused'
  /** The amount is larger than the limit. */
  | 'beyond';

/** Whether `limit` is decided here: a place belongs to its holder and a turn to its order, so that neither can be set aside. */
export function isLeased({ sharing, algorithm: { kind } }: Limit): boolean {
  return sharing === 'leased' && kind !== 'concurrency' && kind !== 'leakyBucket';
}

/** The store has to decide. */
export const ASK = 'ask';

/** How often a request waits for more, while others take it or ask for other amounts, before the store decides it. */
const MOST_REFILLS = 4;

export class Taking {
  readonly #parts: Parts;
  readonly #clock: Clock;
  /** By limit: its part, null where the store decides, and what is needed of it. */
  readonly #found: (Part | null)[] = [];
  readonly #needed: number[] = [];
  #short = -1;

  constructor(parts: Parts, clock: Clock) {
    this.#parts = parts;
    this.#clock = clock;
  }

  /** `now` is monotonic, in milliseconds. */
  look(limits: readonly BoundLimit[], demand: Demand, now: number): Outlook {
    let outlook: Outlook = 'covered';
    for (let index = 0; index < limits.length; index++) {
      const bound = limits[index]!;
      const { limit } = bound;
      if (!isLeased(limit)) {
        this.#found[index] = null;
        continue;
      }
      const part = this.#parts.of(bound, now);
      const needed = neededOf(limit, demand);
      this.#found[index] = part;
      this.#needed[index] = needed;
      if (needed === 0 || needed <= part.left || outlook === 'beyond') continue;
      if (needed > capacityOf(limit) && limit.onExceed !== 'report') outlook = 'beyond';
      else if (outlook === 'short') continue;
      else if (part.refuses(part.shortOf(needed), now)) outlook = 'refused';
      else {
        outlook = 'short';
        this.#short = index;
      }
    }
    return outlook;
  }

  /** A request met what {@link look} found. */
  count(limits: readonly BoundLimit[], now: number): void {
    for (let index = 0; index < limits.length; index++) this.#found[index]?.pace.decided(now);
  }

  /** Takes for `reservation` of every part that {@link look} found to cover it; by limit, how much. */
  take(reservation: Reservation, demand: Demand): void {
    const { limits } = reservation;
    for (let index = 0; index < limits.length; index++) {
      const part = this.#found[index]!;
      if (part === null) continue;
      const amount = takenOf(limits[index]!.limit, demand, this.#needed[index]!, part.left);
      reservation.take(index, part, amount);
      if (part.left < part.aheadBelow) this.#parts.refillAhead(part);
    }
  }

  /**
   * Takes for `reservation` as soon as all parts cover it, waiting for the one call of each that brings more. What refuses it, null
   * when it was taken; with `orAsk`, {@link ASK} where the store has to decide it.
   */
  async takeOrWait(reservation: Reservation, demand: Demand, orAsk: boolean): Promise<Refusal | typeof ASK | null> {
    const { limits, exact } = reservation;
    for (let refills = 0; ; refills++) {
      const now = this.#clock.monotonic();
      const outlook = this.look(limits, demand, now);
      if (outlook === 'covered') {
        this.take(reservation, demand);
        return null;
      }
      if (outlook === 'short' && refills < MOST_REFILLS && !reservation.over) {
        const part = this.#found[this.#short]!;
        const needed = this.#needed[this.#short]!;
        part.waiting += needed;
        try {
          await this.#parts.refill(part, part.shortOf(needed));
        } finally {
          // Not in a function of its own: everybody who waits is counted until the first of them asks again.
          part.waiting -= needed;
        }
        continue;
      }
      // Only the store can tell how long all of them together have to wait, and decide at once whom others left nothing.
      if (orAsk && (outlook !== 'refused' || exact !== null)) return ASK;
      return this.#refusal(limits, now, reservation.decision?.states ?? null);
    }
  }

  /** The refusal of all-leased `limits` that {@link look} found refused. */
  refuse(limits: readonly BoundLimit[], now: number): Refusal {
    return this.#refusal(limits, now, null);
  }

  /** The refusal of what {@link look} found refused; `others` has the states of limits that the store decides. */
  #refusal(limits: readonly BoundLimit[], now: number, others: readonly LimitState[] | null): Refusal {
    let binding = 0;
    let longest = -1;
    const states = new Array<LimitState>(limits.length);
    for (let index = 0; index < limits.length; index++) {
      const part = this.#found[index]!;
      if (part === null) {
        states[index] = { ...others![index]!, taken: 0 };
        continue;
      }
      const waitMs = this.#waitMs(part, this.#needed[index]!, now);
      if (waitMs > 0) part.turnAway(this.#needed[index]!);
      states[index] = part.stateAt(now, 0, waitMs);
      if (waitMs > longest && part.bound.limit.onExceed !== 'report') {
        binding = index;
        longest = waitMs;
      }
    }
    return { admitted: false, binding, states };
  }

  #waitMs(part: Part, needed: number, now: number): number {
    if (needed === 0 || needed <= part.left) return 0;
    return needed > capacityOf(part.bound.limit) ? Number.POSITIVE_INFINITY : part.retryAfterMs(now);
  }
}

/** The store's decision on some limits, with the states of the parts in between. `amounts`: what each part gave, null where nothing. */
export function joined(
  { limits, parts }: Reservation,
  now: number,
  decision: Decision,
  amounts: readonly number[] | null,
): Decision {
  const states = new Array<LimitState>(limits.length);
  let next = 0;
  let binding = 0;
  for (let index = 0; index < limits.length; index++) {
    const part = parts[index]!;
    if (part !== null) {
      states[index] = part.stateAt(now, amounts?.[index] ?? 0, 0);
      continue;
    }
    if (!decision.admitted && decision.binding === next) binding = index;
    states[index] = decision.states[next++]!;
  }
  return decision.admitted
    ? { admitted: true, states, delayMs: decision.delayMs }
    : { admitted: false, binding, states };
}
