/**
 * A Map for entries that come and go thousands of times a second.
 *
 * V8's Map keeps deleted entries in its table until the table is full, and then moves what lives to a new table, to which the old
 * one points. A small Map that churns leaves a long chain of such tables, each still holding what lived when it was left. As
 * soon as one of them is in V8's old space, each later one is promoted there with everything it holds, dead or not: measured
 * here as a third of a request's CPU. A table with room for many more entries than live is left so rarely that this does not matter.
 */

/** Entries without a value that keep the table large: 2,048 places for fewer than a thousand requests in flight. */
export const ROOM = 1000;

/** A Map whose first {@link ROOM} entries have no value; skip them when iterating, and take them off its size. */
export function roomyMap<Value>(): Map<string, Value | undefined> {
  const map = new Map<string, Value | undefined>();
  for (let place = 0; place < ROOM; place++) map.set(`room ${place}`, undefined);
  return map;
}
