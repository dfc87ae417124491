/** What the project promises of its speed, and whether a run reached it. Pure. */
import type { Row } from './summary.ts';

export interface Target {
  readonly promise: string;
  readonly atMost: number;
  /** Null when this run did not measure it. */
  readonly measured: number | null;
  readonly reached: boolean | null;
}

/** `rssIdleMiB`: Headgate's resident memory before any load; null when it did not run. */
export function judge(rows: readonly Row[], rssIdleMiB: number | null): Target[] {
  const row = (scenario: string) => rows.find((one) => one.scenario === scenario && one.subject === 'headgate');
  const target = (promise: string, atMost: number, measured: number | undefined | null): Target => ({
    promise,
    atMost,
    measured: measured ?? null,
    reached: measured === undefined || measured === null ? null : measured <= atMost,
  });
  return [
    target("1 KB JSON, steady: CPU per request, times the floor's", 1.8, row('json-1k-steady')?.toFloor?.median),
    target("1 KB JSON, steady: CPU per request, times Portkey's", 1 / 9, row('json-1k-steady')?.toPortkey?.median),
    target("1 KB JSON, flat out: CPU per request, times the floor's", 1.8, row('json-1k')?.toFloor?.median),
    target("1 KB JSON, flat out: CPU per request, times Portkey's", 1 / 9, row('json-1k')?.toPortkey?.median),
    target("SSE fast: CPU per event, times the floor's", 1.4, row('sse-fast')?.toFloor?.median),
    target("SSE paced: CPU per event, times the floor's", 1.4, row('sse-paced')?.toFloor?.median),
    target('1 KB JSON: added p50, ms', 0.5, row('json-1k')?.addedP50Ms?.median),
    target('resident memory when idle, MiB', 110, rssIdleMiB),
  ];
}
