/**
 * The waits of one attempt: connect, headers, first token, idle and total, on one timer.
 *
 * Invariants
 *  (1) Exactly one wait besides `total` is running at any time, or none while the body is held back by a slow caller.
 *  (2) `expire` is called at most once, with the wait that ran out; never after `stop`.
 *  (3) Moving a wait further away costs no timer: the pending one looks again when it fires.
 */
import type { Timeouts } from '../call.ts';
import type { Clock, Timer } from '../clock.ts';
import type { RefusalCode } from '../errors.ts';

export type TimeoutCode = Extract<RefusalCode, `timeout_${string}`>;

export class Deadlines {
  readonly #clock: Clock;
  readonly #timeouts: Timeouts;
  readonly #expire: (code: TimeoutCode) => void;
  readonly #totalDue: number;
  #timer: Timer | null = null;
  #timerDue = Number.POSITIVE_INFINITY;
  #due = 0;
  #firstTokenDue = 0;
  #code: TimeoutCode = 'timeout_connect';
  #held = false;
  #stopped = false;

  constructor(clock: Clock, timeouts: Timeouts, expire: (code: TimeoutCode) => void) {
    this.#clock = clock;
    this.#timeouts = timeouts;
    this.#expire = expire;
    const now = clock.monotonic();
    this.#totalDue = now + timeouts.total;
    this.#wait('timeout_connect', now + timeouts.connect);
  }

  /** The connection stands and the request goes out. */
  sent(streamed: boolean): void {
    const now = this.#clock.monotonic();
    const { headers, firstToken } = this.#timeouts;
    if (streamed && firstToken < headers) this.#wait('timeout_first_token', now + firstToken);
    else this.#wait('timeout_headers', now + headers);
    this.#firstTokenDue = now + firstToken;
  }

  /** Response headers came; a stream still owes its first content. */
  answered(streamed: boolean): void {
    if (streamed) this.#wait('timeout_first_token', this.#firstTokenDue);
    else this.progressed();
  }

  /** A piece of the body came. What still trickles in while it is held starts no wait. */
  progressed(): void {
    if (!this.#held) this.#wait('timeout_idle', this.#clock.monotonic() + this.#timeouts.idle);
  }

  /** The caller reads nothing, so the provider's silence is ours; only `total` goes on. */
  held(): void {
    this.#held = true;
    this.#wait('timeout_idle', Number.POSITIVE_INFINITY);
  }

  /** The caller is reading again. */
  released(): void {
    this.#held = false;
    this.progressed();
  }

  stop(): void {
    this.#stopped = true;
    this.#clock.clear(this.#timer);
    this.#timer = null;
  }

  #wait(code: TimeoutCode, due: number): void {
    if (this.#stopped) return;
    this.#code = due <= this.#totalDue ? code : 'timeout_total';
    this.#due = Math.min(due, this.#totalDue);
    if (this.#timer !== null && this.#timerDue <= this.#due) return;
    this.#clock.clear(this.#timer);
    this.#arm(this.#clock.monotonic());
  }

  #arm(now: number): void {
    this.#timerDue = this.#due;
    this.#timer = this.#clock.after(Math.max(1, Math.ceil(this.#due - now)), () => this.#look());
  }

  #look(): void {
    if (this.#stopped) return;
    this.#timer = null;
    const now = this.#clock.monotonic();
    if (now < this.#due) return this.#arm(now);
    this.#stopped = true;
    this.#expire(this.#code);
  }
}
