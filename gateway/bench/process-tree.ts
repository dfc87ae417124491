/**
 * What a process and its descendants use, from /proc. Linux only.
 *
 * CPU time is the sum of the threads' `schedstat` (nanoseconds). A thread that ended takes its figure with it, so
 * when one did, the process-wide user + system time of `stat` (ticks of 10 ms, ended threads included) is taken instead.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Linux reports `stat` times in USER_HZ, which is 100 on every platform that Node supports. */
const TICK_MS = 10;

/** The fields of a `stat` file after the command's name, which may itself hold spaces and parentheses. */
function statFields(path: string): string[] {
  const text = readFileSync(path, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** The process and everything that descends from it, as process ids. */
export function treeOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    try {
      parents.set(pid, Number(statFields(`/proc/${pid}/stat`)[1]));
    } catch {
      // It ended while the list was read.
    }
  }
  const tree = [root];
  for (const parent of tree) {
    for (const [pid, parentOf] of parents) if (parentOf === parent) tree.push(pid);
  }
  return tree;
}

export interface CpuReading {
  /** Nanoseconds on a CPU, by thread id. */
  readonly byThread: ReadonlyMap<number, number>;
  /** User + system milliseconds, all processes, ended threads included. */
  readonly processMs: number;
}

export function readCpu(pids: readonly number[]): CpuReading {
  const byThread = new Map<number, number>();
  let processMs = 0;
  for (const pid of pids) {
    const fields = statFields(`/proc/${pid}/stat`);
    processMs += (Number(fields[11]) + Number(fields[12])) * TICK_MS;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [ns] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ');
      byThread.set(Number(thread), Number(ns));
    }
  }
  return { byThread, processMs };
}

/** CPU microseconds used between two readings of the same processes. */
export function cpuBetween(before: CpuReading, after: CpuReading): number {
  let ns = 0;
  for (const [thread, spent] of after.byThread) ns += spent - (before.byThread.get(thread) ?? 0);
  for (const thread of before.byThread.keys()) {
    if (!after.byThread.has(thread)) return (after.processMs - before.processMs) * 1000;
  }
  return ns / 1000;
}

/** Resident memory in MiB, all processes. */
export function residentMiB(pids: readonly number[]): number {
  let kiB = 0;
  for (const pid of pids) {
    kiB += Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  }
  return kiB / 1024;
}

/** Milliseconds that a CPU was not idle since boot, stolen time included. */
export function coreBusyMs(core: number): number {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'latin1'))?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_MS;
}
