/**
 * The benchmark suite: Headgate beside a bare pass-through (the floor), nginx and Portkey, all in front of the same
 * upstream, in one run. Prints a table and writes everything it measured as JSON.
 *
 *     npm run bench -- [--quick] [--only scenario,...] [--subjects name,...] [--seed n] [--out file]
 *
 * Exits with 1 when an answer was not as expected, 2 when it cannot run; a missed target is printed, not an error.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chooseCores, endAll } from './children.ts';
import { storeTable } from './limits/report.ts';
import { measureStores, STORE_SCENARIOS } from './limits/run.ts';
import type { StoreOutcome, StoreScenario } from './limits/scenario.ts';
import { type Provenance, provenance } from './provenance.ts';
import { conditions, promises, tables } from './report.ts';
import { type Plan, planOf, SUBJECTS, type SubjectName } from './scenarios.ts';
import { type Outcome, runSession } from './session.ts';
import { seeded } from './statistics.ts';
import { summarize } from './summary.ts';
import { judge, judgeStores } from './targets.ts';

/** Others on the subjects' core for more than this part of a window make its figures doubtful. */
const FOREIGN_MAX = 0.1;

interface Options {
  readonly plan: Plan;
  readonly stores: readonly StoreScenario[];
  readonly quick: boolean;
  readonly subjects: readonly SubjectName[] | null;
  readonly seed: number;
  readonly out: string;
}

const HELP = `npm run bench -- [options]

Measures Headgate beside a pass-through of node:http and undici (the floor), nginx and Portkey, in one run, and prints CPU, latency,
memory and their ratios; and what its limits cost, in memory and through Redis. Takes about a quarter of an hour.

  --quick              short windows and one round: for a look, not for a claim
  --only <names>       these scenarios: ${[...planOf(false).scenarios, ...STORE_SCENARIOS].map(({ name }) => name).join(', ')}
  --subjects <names>   these of: ${SUBJECTS.join(', ')}
  --seed <number>      the order in which subjects are measured
  --out <file>         where the JSON goes; bench-results/<date>.json otherwise`;

function stop(message: string): never {
  console.error(message);
  process.exit(2);
}

/** The named scenarios, and those they are compared with. */
function chosen(plan: Plan, names: readonly string[]): Plan {
  const known = [...plan.scenarios, ...STORE_SCENARIOS].map(({ name }) => name);
  for (const name of names) if (!known.includes(name)) stop(`no scenario ${name}; there are ${known.join(', ')}`);
  const wanted = new Set(names);
  for (const scenario of plan.scenarios) if (wanted.has(scenario.name)) wanted.add(scenario.comparedWith);
  return { ...plan, scenarios: plan.scenarios.filter((scenario) => wanted.has(scenario.name)) };
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      subjects: { type: 'string' },
      seed: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const all = planOf(values.quick);
  const subjects = values.subjects?.split(',').map((name) => {
    return SUBJECTS.find((known) => known === name) ?? stop(`no subject ${name}; there are ${SUBJECTS.join(', ')}`);
  });
  const names = values.only?.split(',') ?? null;
  const date = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  return {
    quick: values.quick,
    plan: names === null ? all : chosen(all, names),
    stores: STORE_SCENARIOS.filter(({ name }) => names === null || names.includes(name)),
    subjects: subjects ?? null,
    seed: values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed),
    out: values.out ?? fileURLToPath(new URL(`../../bench-results/${date}.json`, import.meta.url)),
  };
}

/** Prints the tables, writes the JSON; returns whether every answer was as expected. */
function publish(options: Options, from: Provenance, outcome: Outcome, stores: readonly StoreOutcome[]): boolean {
  const { plan, quick, seed, out } = options;
  const rows = summarize(plan.scenarios, outcome.measurements);
  const headgate = outcome.subjects.find((subject) => subject.name === 'headgate');
  const targets = [...judge(rows, headgate?.rssIdleMiB ?? null), ...judgeStores(stores)];
  console.log(`\n${conditions(from, plan.rounds, quick, seed)}\n`);
  const storeTables = stores.map((one, index) => storeTable(options.stores[index]!, one));
  console.log(`${[...tables(plan.scenarios, rows, outcome.subjects), ...storeTables].join('\n\n')}\n`);
  for (const { name, absent } of outcome.subjects) if (absent !== null) console.log(`${name}: absent: ${absent}`);
  const disturbed = outcome.measurements.filter((one) => (one.foreign ?? 0) > FOREIGN_MAX).length;
  if (disturbed > 0) {
    console.log(
      `DOUBTFUL: in ${disturbed} of ${outcome.measurements.length} windows others used over 10 % of the core`,
    );
  }
  console.log(`${promises(targets)}\n`);
  const record = {
    endedAt: new Date().toISOString(),
    quick,
    seed,
    provenance: from,
    plan,
    ...outcome,
    rows,
    stores,
    targets,
  };
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(record, null, 1)}\n`);
  console.log(`everything measured: ${out}`);
  const readings = stores.flatMap((one) => one.readings);
  return [...outcome.measurements, ...readings].every((one) => one.failures === 0);
}

if (process.platform !== 'linux') stop('the benchmarks read /proc: they run on Linux only');
const options = readOptions();
const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endAll().finally(() => process.exit(130));
  });
}

const cores = chooseCores();
const from = provenance(cores);
const startedAt = performance.now();
const progress = (line: string) =>
  console.error(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)}s ${line}`);
const session = { folder, cores, random: seeded(options.seed), progress };
let outcome: Outcome = { measurements: [], subjects: [] };
let stores: readonly StoreOutcome[];
try {
  if (options.plan.scenarios.length > 0) outcome = await runSession(session, options.plan, options.subjects);
  await endAll();
  stores = await measureStores(options.stores, { ...session, rounds: options.plan.rounds, quick: options.quick });
} finally {
  await endAll();
}
process.exitCode = publish(options, from, outcome, stores) ? 0 : 1;
