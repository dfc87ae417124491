/**
 * The way to a store across the network: each call has a time limit, and goes through a breaker that is probed in the background.
 *
 * Invariants
 *  (1) Whoever asks has an answer after `timeoutMs` at the latest. One that comes later is nobody's.
 *  (2) While the breaker is not closed nothing reaches the store but probes, one at a time, none of them on behalf of a request:
 *      no request waits for a store that does not answer, and its recovery is noticed without any traffic.
 *  (3) One log line when the store is given up and one when it is back.
 */
import type { Clock, Timer } from '../../clock.ts';
import { Breaker, type BreakerSettings, REFUSED } from '../../policy/breaker.ts';
import type { Answer } from '../limit-store.ts';
import { StoreUnavailable } from '../store-unavailable.ts';

export type GuardLog = (
  level: 'info' | 'warn' | 'error',
  text: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

export interface WayThere {
  /**
   * Asks the store for a sign of life, as a call would: by a write, where a store may refuse writes and still answer reads.
   * Rejects when there is none.
   */
  readonly probe: () => Promise<unknown>;
  /** How long any call may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly breaker: BreakerSettings;
  readonly log: GuardLog;
}

/** A call that has not been answered. In order of `dueAt`, because all may take equally long. */
interface Trip {
  readonly dueAt: number;
  readonly giveUp: (error: Error) => void;
  previous: Trip | null;
  next: Trip | null;
}

export class RoundTrips {
  /** How many calls were sent, probes included. */
  sent = 0;
  readonly #clock: Clock;
  readonly #way: WayThere;
  readonly #recovered: () => void;
  readonly #breaker: Breaker;
  #first: Trip | null = null;
  #last: Trip | null = null;
  #timer: Timer | null = null;
  #probeTimer: Timer | null = null;
  #givenUpAt = 0;
  #stopped = false;

  /** @param recovered is called whenever the store is back. */
  constructor(clock: Clock, way: WayThere, recovered: () => void) {
    this.#clock = clock;
    this.#way = way;
    this.#recovered = recovered;
    this.#breaker = new Breaker(way.breaker);
  }

  /** Whether calls may be sent. */
  get open(): boolean {
    return this.#breaker.state === 'closed';
  }

  /** Whether calls were sent that have no answer. */
  get underWay(): boolean {
    return this.#first !== null;
  }

  /** When it is worth asking again, in whole milliseconds; at least 1. */
  get retryAfterMs(): number {
    const waitMs = this.open ? this.#way.breaker.coolDownMs : this.#breaker.waitMs(this.#clock.monotonic());
    return Math.max(1, Math.ceil(waitMs));
  }

  /** Sends a call, for use while {@link open}. `failed` makes the answer when the store gives none in time, or an error. */
  ask<T, R>(send: () => Answer<T>, answered: (answer: T) => R, failed: () => R): Answer<R> {
    return this.#send(this.#breaker.ask(this.#clock.monotonic()), send, answered, failed);
  }

  /** The store is known to be away before anybody has asked it. */
  giveUpStore(error: unknown): void {
    while (this.open) this.#failed(this.#breaker.ask(this.#clock.monotonic()), error);
  }

  /** Lets nobody wait any longer: whatever has no answer has failed. No probe follows. */
  stop(): void {
    this.#stopped = true;
    this.#clock.clear(this.#probeTimer);
    this.#clock.clear(this.#timer);
    while (this.#first !== null) this.#giveUp(this.#first, 'closed');
  }

  #send<T, R>(generation: number, send: () => Answer<T>, answered: (answer: T) => R, failed: () => R): Answer<R> {
    const answer = send();
    // What is answered at once did not come from afar, and says nothing of the way there.
    if (!(answer instanceof Promise)) return answered(answer);
    this.sent++;
    return this.#inTime(answer).then(
      (value) => {
        this.#succeeded(generation);
        return answered(value);
      },
      (error) => {
        this.#failed(generation, error);
        return failed();
      },
    );
  }

  #inTime<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const trip: Trip = {
        dueAt: this.#clock.monotonic() + this.#way.timeoutMs,
        giveUp: reject,
        previous: this.#last,
        next: null,
      };
      this.#append(trip);
      answer.then(
        (value) => {
          this.#remove(trip);
          resolve(value);
        },
        (error) => {
          this.#remove(trip);
          reject(error);
        },
      );
    });
  }

  #append(trip: Trip): void {
    if (this.#last === null) this.#first = trip;
    else this.#last.next = trip;
    this.#last = trip;
    this.#timer ??= this.#clock.after(this.#way.timeoutMs, this.#giveUpDue);
  }

  /** Takes a trip off the list, unless it was given up before. */
  #remove(trip: Trip): void {
    if (trip.previous === null && this.#first !== trip) return;
    if (trip.previous === null) this.#first = trip.next;
    else trip.previous.next = trip.next;
    if (trip.next === null) this.#last = trip.previous;
    else trip.next.previous = trip.previous;
    trip.previous = null;
    trip.next = null;
  }

  #giveUp(trip: Trip, cause: string): void {
    this.#remove(trip);
    trip.giveUp(new StoreUnavailable(cause));
  }

  readonly #giveUpDue = (): void => {
    this.#timer = null;
    const now = this.#clock.monotonic();
    while (this.#first !== null && this.#first.dueAt <= now) this.#giveUp(this.#first, 'no answer in time');
    if (this.#first !== null) this.#timer = this.#clock.after(Math.ceil(this.#first.dueAt - now), this.#giveUpDue);
  };

  #succeeded(generation: number): void {
    if (!this.#breaker.succeeded(generation)) return;
    const outageMs = Math.round(this.#clock.monotonic() - this.#givenUpAt);
    this.#way.log('info', 'the limit store answers again', { outageMs });
    this.#recovered();
  }

  #failed(generation: number, error: unknown): void {
    if (this.#stopped) return;
    const wasOpen = this.open;
    const now = this.#clock.monotonic();
    if (!this.#breaker.failed(generation, now)) return;
    this.#probeLater();
    if (!wasOpen) return;
    this.#givenUpAt = now;
    this.#way.log('error', 'the limit store does not answer; each limit does what its onStoreError says', {
      cause: causeOf(error),
    });
  }

  #probeLater(): void {
    this.#probeTimer = this.#clock.after(this.retryAfterMs, this.#probe);
  }

  readonly #probe = (): void => {
    const generation = this.#breaker.ask(this.#clock.monotonic());
    // A timer may fire a little early.
    if (generation === REFUSED) this.#probeLater();
    else this.#send(generation, this.#way.probe, nothing, nothing);
  };
}

function nothing(): void {}

/** A few words for the log. What a store itself says may quote keys or values, so of other errors only the kind is told. */
function causeOf(error: unknown): string {
  if (error instanceof StoreUnavailable) return error.message;
  return error instanceof Error ? error.name : 'unknown';
}
