/** The text that a run prints. Pure. */
import type { Provenance } from './provenance.ts';
import type { Scenario, SubjectName } from './scenarios.ts';
import type { Spread } from './statistics.ts';
import type { Row } from './summary.ts';
import type { Target } from './targets.ts';

/** A subject's part in a run. */
export interface Presence {
  readonly name: SubjectName;
  /** Why it is not in the run; null when it is. */
  readonly absent: string | null;
  readonly version: string | null;
  readonly configuration: string | null;
  readonly rssIdleMiB: number | null;
  readonly rssAfterMiB: number | null;
}

const NONE = '-';

const plain = (spread: Spread | null, digits: number): string =>
  spread === null ? NONE : spread.median.toFixed(digits);

/** `1.52 (1.48-1.60)`: the median and the range it comes from. */
export const ranged = (spread: Spread | null, digits: number): string =>
  spread === null || spread.least === spread.most
    ? plain(spread, digits)
    : `${spread.median.toFixed(digits)} (${spread.least.toFixed(digits)}-${spread.most.toFixed(digits)})`;

const memory = (presence: Presence | undefined): string =>
  presence === undefined || presence.rssIdleMiB === null || presence.rssAfterMiB === null
    ? NONE
    : `${presence.rssIdleMiB.toFixed(0)} > ${presence.rssAfterMiB.toFixed(0)}`;

/** Text in columns: the first column to the left, the others to the right. */
export function aligned(lines: readonly (readonly string[])[]): string[] {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  );
}

const HEADINGS = [
  'x floor',
  'x Portkey',
  '+p50 ms',
  '+p99 ms',
  'out/s',
  'core %',
  'events/chunk',
  'RSS MiB',
  'failed',
  'bytes',
];

function bytesColumn(row: Row, scenario: Scenario): string {
  if (row.mismatches > 0) return `${row.mismatches} WRONG`;
  return scenario.refusal === null && row.completed > 0 ? 'same' : NONE;
}

/** The tables, one for each scenario. */
export function tables(scenarios: readonly Scenario[], rows: readonly Row[], subjects: readonly Presence[]): string[] {
  return scenarios.map((scenario) => {
    const mine = rows.filter((row) => row.scenario === scenario.name);
    if (mine.length === 0) return `${scenario.title}: no subject`;
    const lines = mine.map((row) => [
      `  ${row.subject}`,
      ranged(row.cpuUs, scenario.per === 'event' ? 2 : 1),
      ranged(row.toFloor, 2),
      plain(row.toPortkey, 3),
      plain(row.addedP50Ms, 3),
      plain(row.addedP99Ms, 3),
      plain(row.perSecond, 0),
      row.utilisation === null ? NONE : (row.utilisation.median * 100).toFixed(0),
      plain(row.eventsPerChunk, 1),
      memory(subjects.find((one) => one.name === row.subject)),
      String(row.failures),
      bytesColumn(row, scenario),
    ]);
    const text = aligned([[scenario.title, `CPU-us/${scenario.per}`, ...HEADINGS], ...lines]);
    for (const row of mine) {
      if (row.toOwn !== null)
        text.push(`  ${row.subject}: ${row.toOwn.median.toFixed(2)}x its own ${scenario.comparedWith}`);
      if (row.toBase !== null) text.push(`  ${row.subject}: ${ranged(row.toBase, 2)}x ${scenario.base}`);
      if (row.reconnects > 0) text.push(`  ${row.subject}: closed the connection ${row.reconnects} times`);
      if (row.firstFailure !== null) {
        text.push(`  ${row.subject}: ${row.invalidRounds} rounds left out; first failure: ${row.firstFailure}`);
      }
    }
    return text.join('\n');
  });
}

/** As few digits as tell the values of promises apart. */
function numberText(value: number): string {
  if (value >= 1000) return value.toFixed(0);
  return value.toFixed(value < 1 ? 3 : value === Number(value.toFixed(1)) ? 1 : 2);
}

export function promises(targets: readonly Target[]): string {
  const verdict = ({ reached }: Target) => (reached === null ? 'not measured' : reached ? 'reached' : 'NOT REACHED');
  const lines = targets.map((target) => [
    `  ${target.promise}`,
    `${target.bound} ${numberText(target.value)}`,
    target.measured === null ? NONE : target.measured.toFixed(target.value < 1000 ? 3 : 0),
    verdict(target),
  ]);
  return aligned([['Headgate with key, limits, ledger, metrics and log on', '', 'here', ''], ...lines]).join('\n');
}

/** How the figures were taken, for the reader of the table. */
export function conditions(from: Provenance, rounds: number, quick: boolean, seed: number): string {
  const { cores } = from;
  const pinned =
    cores === null
      ? 'nothing is pinned (no taskset, or one core): figures are noisier'
      : `subjects on core ${cores.subject}; upstream and load generator on core ${cores.rig}`;
  const commit = `${from.commit?.slice(0, 10) ?? 'no commit'}${from.dirty === true ? ' + changes' : ''}`;
  return [
    `${from.cpu}, ${from.cpuCount} cores, Linux ${from.kernel}, Node ${from.node}, ${commit}`,
    `${pinned}; closed loop; ${rounds} rounds in random order (seed ${seed}); medians (least-most); ratios within a round`,
    'out/s is the rate that the closed loop reached on this rig, not a capacity',
    'added p50 and p99: over the upstream itself in the same round, to the last byte of JSON or the first event of a stream',
    ...(quick ? ['QUICK: short windows and one round: good for a look, not for a claim'] : []),
  ].join('\n');
}
