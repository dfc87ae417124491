/**
 * Where calls wait that a limit holds up for a moment (`onExceed: queue`), one line for each counter.
 *
 * Invariants
 *  (1) While it waits, only the head of a line asks the store; the next one asks as soon as the head is gone. Who finds the line full, or
 *      has waited long enough, asks once more and is refused then, or let in if there is room.
 *  (2) At most WAITING_MAX wait in one line, each no longer than its limits allow.
 *  (3) Whoever is admitted, gives up or is interrupted leaves the line and its timer at once.
 */
import type { Clock, Timer } from '../clock.ts';
import type { Refused } from '../errors.ts';
import type { BoundLimit } from '../policy/limit.ts';

/** How many calls may wait for one counter. */
const WAITING_MAX = 256;

/** The caller's side, as far as waiting cares. */
export interface Presence {
  /** The reservations that are renewed for it. */
  readonly held: string[];
  readonly interrupted: Refused | null;
  work: { interrupt(reason: Refused): void } | null;
}

/** Sleeps for a caller, until the time is over, something wakes it, or the caller is gone. */
export class Waiter {
  readonly #clock: Clock;
  readonly #presence: Presence;
  #timer: Timer | null = null;
  #resolve: (() => void) | null = null;

  constructor(clock: Clock, presence: Presence) {
    this.#clock = clock;
    this.#presence = presence;
  }

  /** @throws Refused why the caller's request was interrupted, if it was. */
  async sleep(ms: number): Promise<void> {
    if (this.#presence.interrupted !== null) throw this.#presence.interrupted;
    await new Promise<void>((resolve) => {
      this.#resolve = resolve;
      this.#presence.work = this;
      this.#timer = this.#clock.after(ms, () => this.wake());
    });
    this.#presence.work = null;
    if (this.#presence.interrupted !== null) throw this.#presence.interrupted;
  }

  wake(): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    this.#clock.clear(this.#timer);
    resolve();
  }

  interrupt(): void {
    this.wake();
  }
}

export class WaitingLines {
  readonly #lines = new Map<string, Waiter[]>();

  /** How many counters are waited for. */
  get size(): number {
    return this.#lines.size;
  }

  /** How many calls wait. */
  get waiting(): number {
    let sum = 0;
    for (const line of this.#lines.values()) sum += line.length;
    return sum;
  }

  /** The counter among those of `limits` that others wait for already; null when there is none. */
  among(limits: readonly BoundLimit[]): string | null {
    if (this.#lines.size === 0) return null;
    for (const { limit, counter } of limits) if (limit.onExceed === 'queue' && this.#lines.has(counter)) return counter;
    return null;
  }

  /** Takes a place at the end of the line; false when it is full. */
  join(counter: string, waiter: Waiter): boolean {
    const line = this.#lines.get(counter);
    if (line === undefined) this.#lines.set(counter, [waiter]);
    else if (line.length >= WAITING_MAX) return false;
    else line.push(waiter);
    return true;
  }

  isHead(counter: string, waiter: Waiter): boolean {
    return this.#lines.get(counter)?.[0] === waiter;
  }

  leave(counter: string, waiter: Waiter): void {
    const line = this.#lines.get(counter);
    const place = line?.indexOf(waiter) ?? -1;
    if (line === undefined || place < 0) return;
    line.splice(place, 1);
    if (line.length === 0) this.#lines.delete(counter);
    else if (place === 0) line[0]!.wake();
  }

  /** Something of the counter was given back: the head of its line asks again. */
  freed(counter: string): void {
    if (this.#lines.size > 0) this.#lines.get(counter)?.[0]?.wake();
  }
}
