/**
 * Asks for one hot key, at a steady rate or flat out: the process that `limits-leased` measures.
 *
 *     node leased-process.ts <port of the Redis> <case, by its place in HOT_KEYS>
 */
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { systemClock, ulids } from '../../src/clock.ts';
import { percentile } from '../statistics.ts';
import { serveOrders } from '../worker.ts';
import { HOT_KEYS } from './hot-keys.ts';
import { ACTUAL, DEMAND, hotKey } from './population.ts';
import { remoteStore } from './remote-store.ts';

export interface LeasedOrder {
  readonly durationMs: number;
}

export interface LeasedResult {
  readonly requests: number;
  readonly refused: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly elapsedMs: number;
}

/** How long a request of a steady rate is in flight. */
const IN_FLIGHT_MS = 20;
/** Requests in one turn of the loop, flat out; the last few of them are in flight. */
const IN_A_TURN = 100;

const [port, place] = process.argv.slice(2).map(Number);
const { sharing, limits: count, perSecond, atMost } = HOT_KEYS[place!]!;
const limits = hotKey(`key${place}`, sharing, count, atMost);
const { request } = ulids(systemClock);
const store = await remoteStore(port!);
const tookMs: number[] = [];
let refused = 0;

/** The id of what was reserved; null when it was refused. */
async function reserve(): Promise<string | null> {
  const id = request();
  const askedAt = performance.now();
  const answer = store.reserve(id, limits, DEMAND);
  const { admitted } = answer instanceof Promise ? await answer : answer;
  tookMs.push(performance.now() - askedAt);
  if (admitted) return id;
  refused++;
  return null;
}

async function steadily(durationMs: number, everyMs: number): Promise<void> {
  const endsAt = performance.now() + durationMs;
  const requests: Promise<unknown>[] = [];
  const one = async () => {
    const id = await reserve();
    await wait(IN_FLIGHT_MS);
    if (id !== null) await store.settle(id, ACTUAL);
  };
  for (let dueAt = performance.now(); dueAt < endsAt; dueAt += everyMs) {
    const earlyMs = dueAt - performance.now();
    if (earlyMs > 0) await wait(earlyMs);
    requests.push(one());
  }
  await Promise.all(requests);
}

async function flatOut(durationMs: number): Promise<void> {
  const endsAt = performance.now() + durationMs;
  while (performance.now() < endsAt) {
    for (let nth = 0; nth < IN_A_TURN; nth++) {
      const id = await reserve();
      if (id !== null) await store.settle(id, ACTUAL);
    }
    await turn();
  }
}

serveOrders(async ({ durationMs }: LeasedOrder): Promise<LeasedResult> => {
  tookMs.length = 0;
  refused = 0;
  const startedAt = performance.now();
  await (perSecond === null ? flatOut(durationMs) : steadily(durationMs, 1_000 / perSecond));
  const elapsedMs = performance.now() - startedAt;
  const sorted = Float64Array.from(tookMs).sort();
  return {
    requests: sorted.length,
    refused,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    elapsedMs,
  };
});
