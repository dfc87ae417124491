/** The rows of the tables of the limit stores, by which figures are found again. */

/** How many limits decide together in memory. */
export const COUNTS: readonly number[] = [1, 4, 12];

export function rowFor(count: number): string {
  return `${count} limit${count === 1 ? '' : 's'}`;
}

export function redisRow(count: number, concurrency: number): string {
  return `${rowFor(count)}, ${concurrency} at a time`;
}
