/** How seldom a hot key asks Redis when its limits are leased, and what a decision costs then. */
import { fileURLToPath } from 'node:url';
import { launch } from '../children.ts';
import { cpuBetween, readCpu } from '../process-tree.ts';
import { shuffled } from '../statistics.ts';
import { worker } from '../worker.ts';
import { EXACT, HOT_KEYS } from './hot-keys.ts';
import type { LeasedOrder, LeasedResult } from './leased-process.ts';
import { redisMissing, startRedis } from './redis-server.ts';
import type { Reading, StoreScenario, StoreSite } from './scenario.ts';

/** A key that was idle is not hot yet: a process learns how much to take in advance from what it saw in the last seconds. */
const LEAD_IN_MS = 2_000;
const PROGRAM = fileURLToPath(new URL('leased-process.ts', import.meta.url));

export const limitsLeased: StoreScenario = {
  name: 'limits-leased',
  title: 'leased limits over Redis: one hot key',
  figures: [
    { name: 'calls/request', digits: 4 },
    { name: 'x exact', digits: 4 },
    { name: 'CPU-us/request', digits: 1 },
    { name: 'p50 ms', digits: 3 },
    { name: 'p99 ms', digits: 3 },
    { name: 'requests/s', digits: 0 },
    { name: 'refused %', digits: 0 },
  ],
  missing: redisMissing,
  run,
};

/** One key after the other, each in a process of its own; what an idle one still asks of Redis is some sweeps in a minute. */
async function run({ folder, cores, random, progress, rounds, quick }: StoreSite): Promise<Reading[]> {
  const redis = await startRedis(folder, cores?.rig ?? null);
  const subjects = [];
  for (const [place, key] of HOT_KEYS.entries()) {
    const args = [PROGRAM, String(redis.port), String(place)];
    const what = { command: process.execPath, args, logFile: `${folder}/${place}.log`, ipc: true };
    const child = launch(what, cores?.subject ?? null);
    const ask = await worker<LeasedOrder, LeasedResult>(child, what.logFile);
    subjects.push({ key, pids: [child.pid!], ask });
  }
  const readings: Reading[] = [];
  for (let round = 1; round <= rounds; round++) {
    const inRound = new Map<string, Reading>();
    for (const { key, pids, ask } of shuffled(subjects, random)) {
      await ask({ durationMs: LEAD_IN_MS });
      const scripts = await redis.scripts();
      const before = readCpu(pids);
      const { requests, refused, p50Ms, p99Ms, elapsedMs } = await ask({ durationMs: quick ? 2_000 : 3_000 });
      const figures = {
        'calls/request': ((await redis.scripts()) - scripts) / requests,
        'CPU-us/request': cpuBetween(before, readCpu(pids)) / requests,
        'p50 ms': p50Ms,
        'p99 ms': p99Ms,
        'requests/s': (requests * 1000) / elapsedMs,
        'refused %': (refused * 100) / requests,
      };
      const failures = key.atMost === null ? refused : 0;
      inRound.set(key.row, { round, row: key.row, figures, failures });
      progress(`round ${round} limits-leased ${key.row}: ${figures['calls/request'].toFixed(4)} calls/request`);
    }
    const exact = inRound.get(EXACT)!.figures['calls/request']!;
    for (const { row } of HOT_KEYS) {
      const reading = inRound.get(row)!;
      readings.push({
        ...reading,
        figures: { ...reading.figures, 'x exact': reading.figures['calls/request']! / exact },
      });
    }
  }
  redis.close();
  return readings;
}
