/**
 * One run: starts the upstream, the load generator and the subjects, measures every scenario in every round in random
 * order, and ends what it started.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Cores, freePort, launch, listening } from './children.ts';
import { type Bench, type LoadGenerator, type Measurement, measure, orderOf, outOf } from './measure.ts';
import { residentMiB, treeOf } from './process-tree.ts';
import type { Presence } from './report.ts';
import type { Plan, SubjectName } from './scenarios.ts';
import { shuffled } from './statistics.ts';
import { floor } from './subjects/floor.ts';
import { headgate, headgateWithLimits } from './subjects/headgate.ts';
import { nginx } from './subjects/nginx.ts';
import { portkey } from './subjects/portkey.ts';
import { ANY_KEY, type Started, type Subject } from './subjects/subject.ts';
import type { WindowOrder, WindowResult } from './window.ts';
import { worker } from './worker.ts';

export interface Session {
  /** An empty folder for what the run writes; the caller removes it. */
  readonly folder: string;
  readonly cores: Cores | null;
  readonly random: () => number;
  readonly progress: (line: string) => void;
}

export interface Outcome {
  readonly measurements: readonly Measurement[];
  readonly subjects: readonly Presence[];
}

/** After a start, until its memory is called idle. */
const IDLE_MS = 500;

interface Present {
  readonly bench: Bench;
  readonly presence: Presence;
}

const programAt = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

function rig(session: Session, name: string, args: readonly string[], ipc: boolean): [ChildProcess, string] {
  const logFile = `${session.folder}/${name}.log`;
  const what = { command: process.execPath, args: [programAt(`${name}.ts`), ...args], logFile, ipc };
  return [launch(what, session.cores?.rig ?? null), logFile];
}

/** Starts what can be started; a subject that cannot is named with its reason and left out. */
async function startSubjects(session: Session, subjects: readonly Subject[], upstreamPort: number) {
  const present: Present[] = [];
  const absent: Presence[] = [];
  for (const { name, start } of subjects) {
    const folder = `${session.folder}/${name}`;
    mkdirSync(folder);
    let started: Started;
    try {
      started = await start({ folder, upstreamPort, core: session.cores?.subject ?? null });
    } catch (error) {
      const reason = (error as Error).message;
      session.progress(`${name} is left out: ${reason}`);
      const nothing = { version: null, configuration: null, rssIdleMiB: null, rssAfterMiB: null };
      absent.push({ name, absent: reason, ...nothing });
      continue;
    }
    await after(IDLE_MS);
    const pids = treeOf(started.child.pid!);
    const rssIdleMiB = residentMiB(pids);
    const { version, configuration } = started;
    session.progress(`${name} (${version}) runs: ${rssIdleMiB.toFixed(0)} MiB`);
    present.push({
      bench: { name, started, pids },
      presence: { name, absent: null, version, configuration, rssIdleMiB, rssAfterMiB: null },
    });
  }
  return { present, absent };
}

/** Has what is hot compiled, slow subjects for longer, and uses up the limits that are to refuse. */
async function warmUp(session: Session, plan: Plan, load: LoadGenerator, benches: readonly Bench[]): Promise<void> {
  const { windowMs, out, windowsMax } = plan.warmUp;
  for (const bench of benches) {
    for (const scenario of plan.scenarios) {
      const { connections, durationMs } = scenario.load;
      const isPaced = durationMs === 'one-each';
      if (isPaced || !scenario.subjects.some((name) => name === bench.name)) continue;
      let completed = 0;
      let failure: string | null = null;
      const enough = out / outOf(scenario);
      for (let windows = 0; windows < windowsMax && completed < enough; windows++) {
        const window = await load({ ...orderOf(scenario, bench), connections, durationMs: windowMs });
        completed += window.completed;
        failure ??= window.firstFailure;
      }
      const note = failure === null ? '' : `, not as expected: ${failure}`;
      session.progress(`warm-up ${bench.name} ${scenario.name}: ${completed}${note}`);
    }
  }
}

/** Every scenario once, each with its subjects in random order. */
async function runRound(
  session: Session,
  plan: Plan,
  load: LoadGenerator,
  benches: readonly Bench[],
  round: number,
): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const scenario of plan.scenarios) {
    if (round > scenario.roundsMax) continue;
    const takesPart = (bench: Bench) =>
      bench.name === 'direct'
        ? scenario.comparedWith === scenario.name
        : scenario.subjects.some((name) => name === bench.name);
    for (const bench of shuffled(benches.filter(takesPart), session.random)) {
      const one = await measure(load, scenario, bench, round, session.cores);
      measurements.push(one);
      const cpu = one.cpuUs === null ? '' : `, ${one.cpuUs.toFixed(2)} CPU-us/${scenario.per}`;
      const failed = one.failures === 0 ? '' : `, ${one.failures} FAILED: ${one.firstFailure}`;
      session.progress(`round ${round} ${scenario.name} ${bench.name}: ${one.completed} requests${cpu}${failed}`);
    }
  }
  return measurements;
}

/** The caller ends the processes (see children.ts), also when this throws. */
export async function runSession(session: Session, plan: Plan, only: readonly SubjectName[] | null): Promise<Outcome> {
  const upstreamPort = await freePort();
  const [upstream, upstreamLog] = rig(session, 'upstream', [String(upstreamPort)], false);
  await listening(upstream, upstreamPort, upstreamLog);
  const [loader, loaderLog] = rig(session, 'load', [], true);
  const load = await worker<WindowOrder, WindowResult>(loader, loaderLog);

  const models = [...new Set(plan.scenarios.map((scenario) => scenario.shape.model))];
  const measured = new Set(plan.scenarios.flatMap((scenario) => scenario.subjects));
  const subjects = [floor, nginx, portkey, headgate(models), headgateWithLimits(1), headgateWithLimits(12)];
  const all = subjects.filter(({ name }) => measured.has(name) && (only === null || only.includes(name)));
  const { present, absent } = await startSubjects(session, all, upstreamPort);
  const direct: Bench = { name: 'direct', started: { port: upstreamPort, headers: () => ANY_KEY }, pids: [] };
  const benches = [direct, ...present.map(({ bench }) => bench)];

  await warmUp(session, plan, load, benches);
  const measurements: Measurement[] = [];
  for (let round = 1; round <= plan.rounds; round++) {
    measurements.push(...(await runRound(session, plan, load, benches, round)));
  }
  const took = present.map(({ bench, presence }) => ({ ...presence, rssAfterMiB: residentMiB(bench.pids) }));
  return { measurements, subjects: [...took, ...absent] };
}
