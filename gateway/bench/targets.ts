/** What the project promises of its speed, and whether a run reached it. Pure. */
import { HOT_KEYS } from './limits/hot-keys.ts';
import { COUNTS, redisRow, rowFor } from './limits/rows.ts';
import type { StoreOutcome } from './limits/scenario.ts';
import type { Spread } from './statistics.ts';
import type { Row } from './summary.ts';

export interface Target {
  readonly promise: string;
  readonly bound: 'at most' | 'at least';
  readonly value: number;
  /** Null when this run did not measure it. */
  readonly measured: number | null;
  readonly reached: boolean | null;
}

function target(
  promise: string,
  bound: Target['bound'],
  value: number,
  of: Pick<Spread, 'median'> | null | undefined,
): Target {
  const measured = of?.median ?? null;
  const reached = measured === null ? null : bound === 'at most' ? measured <= value : measured >= value;
  return { promise, bound, value, measured, reached };
}

/** `rssIdleMiB`: Headgate's resident memory before any load; null when it did not run. */
export function judge(rows: readonly Row[], rssIdleMiB: number | null): Target[] {
  const row = (scenario: string, subject = 'headgate') =>
    rows.find((one) => one.scenario === scenario && one.subject === subject);
  const atMost = (promise: string, value: number, of: Pick<Spread, 'median'> | null | undefined) =>
    target(promise, 'at most', value, of);
  const steady = row('json-1k-steady');
  const flatOut = row('json-1k');
  return [
    atMost("1 KB JSON, steady: CPU per request, times the floor's", 1.8, steady?.toFloor),
    atMost("1 KB JSON, steady: CPU per request, times Portkey's", 1 / 9, steady?.toPortkey),
    atMost("1 KB JSON, flat out: CPU per request, times the floor's", 1.8, flatOut?.toFloor),
    atMost("1 KB JSON, flat out: CPU per request, times Portkey's", 1 / 9, flatOut?.toPortkey),
    atMost("SSE fast: CPU per event, times the floor's", 1.4, row('sse-fast')?.toFloor),
    atMost("SSE paced: CPU per event, times the floor's", 1.4, row('sse-paced')?.toFloor),
    atMost('1 KB JSON: added p50, ms', 0.5, flatOut?.addedP50Ms),
    atMost('resident memory when idle, MiB', 110, rssIdleMiB === null ? null : { median: rssIdleMiB }),
    atMost(
      '1 KB JSON under 12 limits: CPU per request, times that under 1',
      1.15,
      row('journey-limits', 'headgate-12-limits')?.toBase,
    ),
  ];
}

/** A sweep by the store, every few seconds, is a round trip too, but not one of a decision. */
const SWEEPS = 0.01;

/** The same of the limit stores. */
export function judgeStores(outcomes: readonly StoreOutcome[]): Target[] {
  const figure = (scenario: string, row: string, name: string) =>
    outcomes.find((one) => one.scenario === scenario)?.rows.find((one) => one.row === row)?.figures[name];
  const busy = redisRow(12, 32);
  return [
    ...COUNTS.map((count) => {
      const row = rowFor(count);
      return target(`${row} in memory: CPU-us per limit`, 'at most', 2, figure('limits-memory', row, 'CPU-us/limit'));
    }),
    target(
      '12 limits in Redis: reserves a second for each core of Redis',
      'at least',
      10_000,
      figure('limits-redis', busy, 'reserves/s/core'),
    ),
    target(
      '12 limits in Redis: round trips of a reserve and a settle',
      'at most',
      2 + SWEEPS,
      figure('limits-redis', busy, 'round trips'),
    ),
    ...HOT_KEYS.filter(({ promised }) => promised).map(({ row }) =>
      target(
        `hot key, ${row}: calls to Redis per request`,
        'at most',
        1 / 20,
        figure('limits-leased', row, 'calls/request'),
      ),
    ),
  ];
}
