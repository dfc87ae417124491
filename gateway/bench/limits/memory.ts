/** What a decision costs in memory. */
import { fileURLToPath } from 'node:url';
import { launch } from '../children.ts';
import { cpuBetween, readCpu, residentMiB } from '../process-tree.ts';
import { shuffled } from '../statistics.ts';
import { worker } from '../worker.ts';
import type { MemoryOrder, MemoryResult } from './memory-process.ts';
import { COUNTS, rowFor } from './rows.ts';
import type { Reading, StoreScenario, StoreSite } from './scenario.ts';

const PROGRAM = fileURLToPath(new URL('memory-process.ts', import.meta.url));

export const limitsMemory: StoreScenario = {
  name: 'limits-memory',
  title: 'limits in memory: reserve and settle, 100,000 keys',
  figures: [
    { name: 'CPU-us/decision', digits: 2 },
    { name: 'CPU-us/limit', digits: 2 },
    { name: 'x 1 limit', digits: 2 },
    { name: 'decisions/s', digits: 0 },
    { name: 'counters', digits: 0 },
    { name: 'RSS MiB', digits: 0 },
  ],
  missing: () => null,
  run,
};

/** Each number of limits in a process of its own, so that the code of none is compiled for the limits of another. */
async function run({ folder, cores, random, progress, rounds, quick }: StoreSite): Promise<Reading[]> {
  const subjects = [];
  for (const count of COUNTS) {
    const what = { command: process.execPath, args: [PROGRAM, String(count)], logFile: `${folder}/${count}.log` };
    const child = launch({ ...what, ipc: true }, cores?.subject ?? null);
    const decide = await worker<MemoryOrder, MemoryResult>(child, what.logFile);
    await decide({ durationMs: quick ? 1_000 : 3_000 });
    subjects.push({ count, pids: [child.pid!], decide });
  }
  const readings: Reading[] = [];
  for (let round = 1; round <= rounds; round++) {
    const costs = new Map<number, Reading['figures']>();
    let failures = 0;
    for (const { count, pids, decide } of shuffled(subjects, random)) {
      const before = readCpu(pids);
      const { decisions, refused, elapsedMs, counters } = await decide({ durationMs: quick ? 500 : 2_000 });
      const cpuUs = cpuBetween(before, readCpu(pids)) / decisions;
      failures += refused;
      costs.set(count, {
        'CPU-us/decision': cpuUs,
        'CPU-us/limit': cpuUs / count,
        'decisions/s': (decisions * 1000) / elapsedMs,
        counters,
        'RSS MiB': residentMiB(pids),
      });
      progress(`round ${round} limits-memory ${rowFor(count)}: ${cpuUs.toFixed(2)} CPU-us/decision`);
    }
    const one = costs.get(1)!['CPU-us/decision']!;
    for (const count of COUNTS) {
      const figures = costs.get(count)!;
      readings.push({
        round,
        row: rowFor(count),
        figures: { ...figures, 'x 1 limit': figures['CPU-us/decision']! / one },
        failures,
      });
    }
  }
  return readings;
}
