/**
 * Reserves through Redis, then settles: the process that asks in `limits-redis`.
 *
 *     node redis-process.ts <port of the Redis> <number of limits>
 */
import { systemClock, ulids } from '../../src/clock.ts';
import { percentile } from '../statistics.ts';
import { serveOrders } from '../worker.ts';
import { ACTUAL, askers, DEMAND, population } from './population.ts';
import { remoteStore } from './remote-store.ts';

/** Reserves for `count` requests, or settles what is reserved; `concurrency` of them at a time, as fast as they are answered. */
export interface RedisOrder {
  readonly step: 'reserve' | 'settle';
  readonly count: number;
  readonly concurrency: number;
}

export interface RedisResult {
  /** What was not admitted, or not settled. */
  readonly failures: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const [port, count] = process.argv.slice(2).map(Number);
const limitsOf = population(count!);
const asker = askers(2 ** 16);
const { request } = ulids(systemClock);
const store = await remoteStore(port!);
const held: string[] = [];
let next = 0;

async function reserve(): Promise<boolean> {
  const id = request();
  const { admitted } = await store.reserve(id, limitsOf[asker[next++ % asker.length]!]!, DEMAND);
  if (admitted) held.push(id);
  return admitted;
}

async function settle(): Promise<boolean> {
  return await store.settle(held.pop()!, ACTUAL);
}

serveOrders(async ({ step, count, concurrency }: RedisOrder): Promise<RedisResult> => {
  const ask = step === 'reserve' ? reserve : settle;
  const startedAt = performance.now();
  const tookMs: number[] = [];
  let asked = 0;
  let failures = 0;
  const askInTurn = async () => {
    while (asked++ < count) {
      const askedAt = performance.now();
      if (!(await ask())) failures++;
      tookMs.push(performance.now() - askedAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, askInTurn));
  const elapsedMs = performance.now() - startedAt;
  const sorted = Float64Array.from(tookMs).sort();
  return { failures, elapsedMs, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99) };
});
