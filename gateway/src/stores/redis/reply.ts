/**
 * What the scripts answer: doubles, 8 bytes each, little-endian. Status, server's time, delay ms; then six for each limit: used, reserved,
 * remaining, taken, reset ms, retry ms; -1 is never.
 */
import type { BoundLimit } from '../../policy/limit.ts';
import type { Decision, LimitState } from '../limit-store.ts';

export type Reply = Buffer;

/** A calendar period is another one by the server's clock: ask again with the right one. */
export const STALE = -1;
export const HOLDS_NOTHING = -2;
export const REFUSED = 0;
export const COUNTED = 1;
/** Nothing was taken, because the id is over. */
export const OVER = 2;

const WIDTH = 8;
const HEAD = 3;
const SIZE = 6;

export function statusOf(reply: Reply): number {
  return reply.readDoubleLE(0);
}

/** The server's time in milliseconds since the epoch. */
export function timeOf(reply: Reply): number {
  return reply.readDoubleLE(WIDTH);
}

export function delayOf(reply: Reply): number {
  return reply.readDoubleLE(2 * WIDTH);
}

/** Puts what `reply` says of the limits at `places` in their places among `states`. */
export function fill(
  states: LimitState[],
  reply: Reply,
  limits: readonly BoundLimit[],
  places: readonly number[],
): void {
  for (let nth = 0; nth < places.length; nth++) {
    const at = (HEAD + nth * SIZE) * WIDTH;
    const place = places[nth]!;
    states[place] = {
      bound: limits[place]!,
      used: reply.readDoubleLE(at),
      reserved: reply.readDoubleLE(at + WIDTH),
      remaining: reply.readDoubleLE(at + 2 * WIDTH),
      taken: reply.readDoubleLE(at + 3 * WIDTH),
      resetMs: waitOf(reply.readDoubleLE(at + 4 * WIDTH)),
      retryAfterMs: waitOf(reply.readDoubleLE(at + 5 * WIDTH)),
    };
  }
}

export function refusal(states: readonly LimitState[]): Decision {
  let binding = -1;
  let longest = 0;
  for (let index = 0; index < states.length; index++) {
    const { retryAfterMs, bound } = states[index]!;
    if (retryAfterMs > longest && bound.limit.onExceed !== 'report') {
      binding = index;
      longest = retryAfterMs;
    }
  }
  return { admitted: false, binding, states };
}

function waitOf(ms: number): number {
  return ms === -1 ? Number.POSITIVE_INFINITY : ms;
}
