/** Measures one subject in one scenario: a window with one connection for latency, a window under load for CPU. */
import { setTimeout as after } from 'node:timers/promises';
import type { Cores } from './children.ts';
import { coreBusyMs, cpuBetween, readCpu } from './process-tree.ts';
import type { Scenario, SubjectName } from './scenarios.ts';
import type { Started } from './subjects/subject.ts';
import type { Latency, WindowOrder, WindowResult } from './window.ts';

/** After the last answer: time for what a subject does later (ledger, log), which is counted. */
const AFTERMATH_MS = 250;

/** A subject under measurement, or the upstream itself (`direct`), whose CPU nobody asks for. */
export interface Bench {
  readonly name: SubjectName | 'direct';
  readonly started: Pick<Started, 'port' | 'headers'>;
  readonly pids: readonly number[];
}

/** What one round gave for one subject in one scenario. */
export interface Measurement {
  readonly round: number;
  readonly scenario: string;
  readonly subject: SubjectName | 'direct';
  /** Per request or per event, as the scenario says; null for `direct`. */
  readonly cpuUs: number | null;
  readonly perSecond: number;
  /** The part of one core that the subject used, 0..1. */
  readonly utilisation: number | null;
  /** The part of its core that others used, 0..1: noise. Null when nothing is pinned. */
  readonly foreign: number | null;
  /**
   * Events in one HTTP chunk that the subject wrote; above 1 it passed on what it had read together. How much there is to
   * read at once depends on the timing when events come as fast as they are taken. Null for what is not a stream.
   */
  readonly eventsPerChunk: number | null;
  readonly latency: Latency;
  readonly completed: number;
  readonly failures: number;
  readonly mismatches: number;
  readonly firstFailure: string | null;
  /** Exchanges under load after which the subject closed the connection. */
  readonly reconnects: number;
}

export type LoadGenerator = (order: WindowOrder) => Promise<WindowResult>;

/** What comes out of one exchange: a request, or its events. */
export function outOf({ per, shape }: Scenario): number {
  return per === 'event' ? (shape.stream?.events ?? 1) : 1;
}

export function orderOf(scenario: Scenario, bench: Bench): Omit<WindowOrder, 'connections' | 'durationMs'> {
  return {
    port: bench.started.port,
    shape: scenario.shape,
    headers: bench.started.headers(scenario.key),
    refusal: scenario.refusal,
    staggerMs: 0,
    everyMs: null,
  };
}

function loadOrder(scenario: Scenario, bench: Bench): WindowOrder {
  const { load } = scenario;
  const { connections } = load;
  if (load.durationMs !== 'one-each') {
    const { everyMs } = load;
    const staggerMs = everyMs === null ? 0 : everyMs / connections;
    return { ...orderOf(scenario, bench), connections, durationMs: load.durationMs, everyMs, staggerMs };
  }
  // Starts spread over a few paces, so that the streams do not all speak in the same millisecond.
  return { ...orderOf(scenario, bench), connections, durationMs: null, staggerMs: 7 };
}

export async function measure(
  load: LoadGenerator,
  scenario: Scenario,
  bench: Bench,
  round: number,
  cores: Cores | null,
): Promise<Measurement> {
  const alone =
    scenario.latencyMs === null
      ? null
      : await load({ ...orderOf(scenario, bench), connections: 1, durationMs: scenario.latencyMs });
  const named = { round, scenario: scenario.name, subject: bench.name };
  const latencyIn = (window: WindowResult) => (scenario.shape.stream === null ? window.lastByte : window.firstByte);
  if (bench.name === 'direct' && alone !== null) {
    const { completed, failures, mismatches, firstFailure, reconnects, durationMs } = alone;
    const rate = {
      cpuUs: null,
      perSecond: (completed * 1000) / durationMs,
      utilisation: null,
      foreign: null,
      eventsPerChunk: null,
    };
    return { ...named, ...rate, latency: latencyIn(alone), completed, failures, mismatches, firstFailure, reconnects };
  }

  const busyBefore = cores === null ? 0 : coreBusyMs(cores.subject);
  const before = readCpu(bench.pids);
  const window = await load(loadOrder(scenario, bench));
  await after(AFTERMATH_MS);
  const usedUs = cpuBetween(before, readCpu(bench.pids));
  const elapsedMs = window.durationMs + AFTERMATH_MS;
  const foreignMs = cores === null ? null : coreBusyMs(cores.subject) - busyBefore - usedUs / 1000;
  const out = window.completed * outOf(scenario);
  return {
    ...named,
    cpuUs: bench.name === 'direct' || out === 0 ? null : usedUs / out,
    perSecond: (out * 1000) / window.durationMs,
    utilisation: usedUs / 1000 / window.durationMs,
    foreign: foreignMs === null ? null : Math.max(0, foreignMs / elapsedMs),
    eventsPerChunk: scenario.per === 'event' && window.parts > 0 ? out / window.parts : null,
    latency: latencyIn(alone ?? window),
    completed: window.completed + (alone?.completed ?? 0),
    failures: window.failures + (alone?.failures ?? 0),
    mismatches: window.mismatches + (alone?.mismatches ?? 0),
    firstFailure: alone?.firstFailure ?? window.firstFailure,
    reconnects: window.reconnects,
  };
}
