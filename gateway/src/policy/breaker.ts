/**
 * Circuit breaker: keeps calls from what fails, and finds out when it works again.
 *
 *                 `failures` in a row,
 *                 or `within.failures` in `within.ms`
 *      +--------+ ------------------------> +------+   cool-down over: one call   +----------+
 *      | closed |                           | open | ---------------------------> | halfOpen |
 *      +--------+                           +------+ <--------------------------- +----------+
 *           ^                                          the probe failed;                |
 *           |                                          cool-down doubles                |
 *           +---------------------------------------------------------------------------+
 *                                       the probe succeeded
 *
 * Transitions: closed -> open and halfOpen -> open in {@link Breaker.failed}, open -> halfOpen in {@link Breaker.ask},
 * halfOpen -> closed in {@link Breaker.succeeded}.
 *
 * Invariants
 *  (1) Every change of state begins a new generation. A result counts only in the generation its call began in, so that the
 *      late result of an older call neither opens nor closes anything.
 *  (2) While open nothing passes; while half-open nothing but one probe. A probe that reports nothing for the longest
 *      cool-down is given up, and the next call probes in its place.
 *  (3) What has recovered is asked again after the longest cool-down at the latest.
 *
 * Times are milliseconds of a clock that does not go back.
 */

export interface BreakerSettings {
  /** How many failures in a row open it; at least 1. */
  readonly failures: number;
  /** How many failures in how short a time open it, whatever succeeded in between. */
  readonly within: { readonly failures: number; readonly ms: number };
  /** How long it stays open at first. */
  readonly coolDownMs: number;
  /** How long it stays open at most: each probe that fails doubles the cool-down up to here. */
  readonly longestCoolDownMs: number;
}

export const BREAKER: BreakerSettings = {
  failures: 3,
  within: { failures: 20, ms: 10_000 },
  coolDownMs: 500,
  longestCoolDownMs: 2000,
};

export type BreakerState = 'closed' | 'open' | 'halfOpen';

/** What {@link Breaker.ask} answers when the call must not be made. */
export const REFUSED = 0;

export class Breaker {
  readonly #settings: BreakerSettings;
  #state: BreakerState = 'closed';
  #generation = 1;
  #inARow = 0;
  /** When the latest failures were, in a ring: the next one overwrites the oldest. */
  readonly #failedAt: Float64Array;
  #oldest = 0;
  #coolDownMs: number;
  #probeAt = 0;

  constructor(settings: BreakerSettings = BREAKER) {
    this.#settings = settings;
    this.#coolDownMs = settings.coolDownMs;
    this.#failedAt = new Float64Array(settings.within.failures).fill(Number.NEGATIVE_INFINITY);
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Whether a call may be made: its generation, to be reported with its result; {@link REFUSED} when not. */
  ask(now: number): number {
    if (this.#state === 'closed') return this.#generation;
    if (now < this.#probeAt) return REFUSED;
    this.#change('halfOpen');
    this.#probeAt = now + this.#settings.longestCoolDownMs;
    return this.#generation;
  }

  /** How long until a call may be made or, while half-open, until another one may; 0 when that is now. */
  waitMs(now: number): number {
    return this.#state === 'closed' ? 0 : Math.max(0, this.#probeAt - now);
  }

  /** A call of `generation` succeeded. Whether that changed the state. */
  succeeded(generation: number): boolean {
    if (generation !== this.#generation) return false;
    this.#inARow = 0;
    if (this.#state === 'closed') return false;
    this.#change('closed');
    this.#coolDownMs = this.#settings.coolDownMs;
    this.#failedAt.fill(Number.NEGATIVE_INFINITY);
    return true;
  }

  /** A call of `generation` failed at `now`. Whether that changed the state. */
  failed(generation: number, now: number): boolean {
    if (generation !== this.#generation) return false;
    if (this.#state === 'halfOpen') {
      this.#coolDownMs = Math.min(2 * this.#coolDownMs, this.#settings.longestCoolDownMs);
    } else if (!this.#tooMany(now)) return false;
    this.#change('open');
    this.#probeAt = now + this.#coolDownMs;
    return true;
  }

  /** Counts a failure, and says whether it was one too many. */
  #tooMany(now: number): boolean {
    const { failures, within } = this.#settings;
    this.#failedAt[this.#oldest] = now;
    this.#oldest = (this.#oldest + 1) % within.failures;
    this.#inARow++;
    return this.#inARow >= failures || now - this.#failedAt[this.#oldest]! < within.ms;
  }

  #change(state: BreakerState): void {
    this.#state = state;
    this.#generation++;
    this.#inARow = 0;
  }
}
