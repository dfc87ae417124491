/** Random numbers that a seed repeats, so that a run with faults can be run again. */
import type { Random } from '../clock.ts';

/**
 * Mulberry32 (Tommy Ettinger, public domain): 32 bits of state, which is plenty for choosing faults.
 * `seed` is an integer; only its low 32 bits count.
 */
export function seeded(seed: number): Random {
  let state = seed | 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}
