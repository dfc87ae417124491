/** What a decision costs through Redis: the time it takes, and what of Redis it takes. */
import { fileURLToPath } from 'node:url';
import { launch } from '../children.ts';
import { cpuBetween, readCpu } from '../process-tree.ts';
import { shuffled, spreadOf } from '../statistics.ts';
import { worker } from '../worker.ts';
import type { RedisOrder, RedisResult } from './redis-process.ts';
import { type RedisServer, redisMissing, startRedis } from './redis-server.ts';
import { redisRow } from './rows.ts';
import type { Reading, StoreScenario, StoreSite } from './scenario.ts';

const PROGRAM = fileURLToPath(new URL('redis-process.ts', import.meta.url));
const COUNTS = [1, 12];
const CONCURRENCIES = [1, 32];
/** Requests in flight between reserve and settle. */
const BATCH = 500;

export const limitsRedis: StoreScenario = {
  name: 'limits-redis',
  title: 'limits in Redis: reserve and settle, 100,000 keys',
  figures: [
    { name: 'p50 ms', digits: 2 },
    { name: 'p99 ms', digits: 2 },
    { name: 'decisions/s', digits: 0 },
    { name: 'round trips', digits: 2 },
    { name: 'gateway CPU-us', digits: 0 },
    { name: 'Redis us/reserve', digits: 1 },
    { name: 'Redis us/settle', digits: 1 },
    { name: 'reserves/s/core', digits: 0 },
    { name: 'x 1 limit', digits: 2 },
  ],
  missing: redisMissing,
  run,
};

interface Asking {
  readonly count: number;
  readonly pids: readonly number[];
  readonly ask: (order: RedisOrder) => Promise<RedisResult>;
}

interface Case extends Asking {
  readonly concurrency: number;
  readonly row: string;
}

async function run({ folder, cores, random, progress, rounds, quick }: StoreSite): Promise<Reading[]> {
  const redis = await startRedis(folder, cores?.subject ?? null);
  const cases: Case[] = [];
  for (const count of COUNTS) {
    const args = [PROGRAM, String(redis.port), String(count)];
    const what = { command: process.execPath, args, logFile: `${folder}/${count}.log`, ipc: true };
    const child = launch(what, cores?.rig ?? null);
    const ask = await worker<RedisOrder, RedisResult>(child, what.logFile);
    for (const concurrency of CONCURRENCIES) {
      cases.push({ count, pids: [child.pid!], ask, concurrency, row: redisRow(count, concurrency) });
    }
    await measure(redis, cases.at(-1)!, quick ? 3 : 10);
  }
  const readings: Reading[] = [];
  for (let round = 1; round <= rounds; round++) {
    const costs = new Map<string, number>();
    const inRound: Reading[] = [];
    for (const one of shuffled(cases, random)) {
      const { figures, failures } = await measure(redis, one, quick ? 2 : 5);
      costs.set(one.row, figures['Redis us/reserve']!);
      inRound.push({ round, row: one.row, figures, failures });
      progress(`round ${round} limits-redis ${one.row}: ${figures['Redis us/reserve']!.toFixed(1)} Redis us/reserve`);
    }
    for (const { count, concurrency, row } of cases) {
      const reading = inRound.find((one) => one.row === row)!;
      const ratio = costs.get(row)! / costs.get(redisRow(COUNTS[0]!, concurrency))!;
      const figures = count === COUNTS[0] ? reading.figures : { ...reading.figures, 'x 1 limit': ratio };
      readings.push({ ...reading, figures });
    }
  }
  redis.close();
  return readings;
}

async function measure(redis: RedisServer, { pids, ask, concurrency }: Case, batches: number) {
  const total = { reserveUs: 0, settleUs: 0, elapsedMs: 0, failures: 0 };
  const p50Ms: number[] = [];
  const p99Ms: number[] = [];
  const scripts = await redis.scripts();
  const before = readCpu(pids);
  for (let batch = 0; batch < batches; batch++) {
    const start = readCpu(redis.pids);
    const reserved = await ask({ step: 'reserve', count: BATCH, concurrency });
    const between = readCpu(redis.pids);
    const settled = await ask({ step: 'settle', count: BATCH, concurrency });
    total.reserveUs += cpuBetween(start, between);
    total.settleUs += cpuBetween(between, readCpu(redis.pids));
    total.elapsedMs += reserved.elapsedMs + settled.elapsedMs;
    total.failures += reserved.failures + settled.failures;
    p50Ms.push(reserved.p50Ms);
    p99Ms.push(reserved.p99Ms);
  }
  const decisions = batches * BATCH;
  return {
    failures: total.failures,
    figures: {
      'p50 ms': spreadOf(p50Ms)!.median,
      'p99 ms': spreadOf(p99Ms)!.median,
      'decisions/s': (decisions * 1000) / total.elapsedMs,
      'round trips': ((await redis.scripts()) - scripts) / decisions,
      'gateway CPU-us': cpuBetween(before, readCpu(pids)) / decisions,
      'Redis us/reserve': total.reserveUs / decisions,
      'Redis us/settle': total.settleUs / decisions,
      'reserves/s/core': (decisions * 1e6) / total.reserveUs,
    },
  };
}
