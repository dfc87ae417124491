/**
 * The only place that reads the time, sets a timer, draws a random number or makes an id.
 * Everything else is handed a {@link Clock}, {@link Random} or {@link Ids}, so that tests run under a
 * virtual clock and a seed.
 */
import { randomFillSync } from 'node:crypto';

/** A handle to a pending timer; give it back to {@link Clock.clear}. */
export type Timer = object;

export interface Clock {
  /** Wall-clock time in whole milliseconds since the Unix epoch. It may step backwards. */
  now(): number;
  /** Monotonic time in milliseconds (fractional), for durations only. */
  monotonic(): number;
  /** Calls `run` once, `delayMs` from now. The timer does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` every `periodMs`. The timer does not keep the process alive. */
  every(periodMs: number, run: () => void): Timer;
  /** Cancels a timer; a timer that already ran, or `null`, is ignored. */
  clear(timer: Timer | null): void;
}

export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

export interface Ids {
  /** A new request id: `req_` and 26 characters of Crockford base 32, ordered by time. */
  request(): string;
}

/** Node's longest timer: a longer delay would fire at once (2^31-1 ms, about 24.8 days). */
const LONGEST_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, run) => setTimeout(run, Math.min(delayMs, LONGEST_TIMER_MS)).unref(),
  every: (periodMs, run) => setInterval(run, Math.min(periodMs, LONGEST_TIMER_MS)).unref(),
  clear: (timer) => {
    if (timer !== null) clearTimeout(timer as NodeJS.Timeout);
  },
};

export const systemRandom: Random = { next: () => Math.random() };

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';
/** Every two digits, so that ten bits of randomness are one look-up. */
const PAIRS: readonly string[] = [...CROCKFORD].flatMap((high) => [...CROCKFORD].map((low) => high + low));

/**
 * Ids in the ULID layout (48 bits of time, 80 bits of randomness; https://github.com/ulid/spec), lower case.
 * Random bytes are drawn in blocks: one system call serves several hundred ids.
 */
export function ulids(clock: Clock): Ids {
  const block = new Uint16Array(8 * 512);
  let used = block.length;
  let latest = -1;
  let prefix = '';
  return {
    request() {
      if (used === block.length) {
        randomFillSync(block);
        used = 0;
      }
      const now = clock.now();
      if (now !== latest) {
        latest = now;
        prefix = `req_${timePart(now)}`;
      }
      let id = prefix;
      for (let pair = 0; pair < 8; pair++) id += PAIRS[block[used++]! & 1023];
      return id;
    },
  };
}

function timePart(now: number): string {
  let text = '';
  for (let place = 0, time = now; place < 10; place++, time = Math.floor(time / 32)) text = CROCKFORD[time % 32] + text;
  return text;
}
