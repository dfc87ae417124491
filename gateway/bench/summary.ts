/** From measurements to the rows of the table: medians over rounds, ratios within a round. Pure. */
import type { Measurement } from './measure.ts';
import type { Scenario, SubjectName } from './scenarios.ts';
import { type Spread, spreadOf } from './statistics.ts';

export interface Row {
  readonly scenario: string;
  readonly subject: SubjectName;
  readonly per: 'request' | 'event';
  readonly cpuUs: Spread | null;
  /** Of the CPU figures of the same round, so that a machine that changes its pace between rounds does not matter. */
  readonly toFloor: Spread | null;
  readonly toPortkey: Spread | null;
  /** For a refusal: the ratio to the subject's own answers in the scenario it is compared with. */
  readonly toOwn: Spread | null;
  /** The ratio to the scenario's `base`. */
  readonly toBase: Spread | null;
  /** Milliseconds more than directly to the upstream in the same round. */
  readonly addedP50Ms: Spread | null;
  readonly addedP99Ms: Spread | null;
  readonly perSecond: Spread | null;
  readonly utilisation: Spread | null;
  /** See {@link Measurement.eventsPerChunk}. */
  readonly eventsPerChunk: Spread | null;
  readonly completed: number;
  readonly failures: number;
  readonly mismatches: number;
  readonly firstFailure: string | null;
  /** Exchanges under load after which the subject closed the connection. */
  readonly reconnects: number;
  /** Rounds left out because something in them failed. */
  readonly invalidRounds: number;
}

/** A window with a failure says nothing about speed. */
const isValid = (measurement: Measurement): boolean => measurement.failures === 0 && measurement.completed > 0;

const numbers = (values: readonly (number | null | undefined)[]): number[] =>
  values.filter((value) => value !== null && value !== undefined && Number.isFinite(value)) as number[];

/** One row for each scenario and subject that was measured, in the order of the scenarios. */
export function summarize(scenarios: readonly Scenario[], measurements: readonly Measurement[]): Row[] {
  const valid = new Map<string, Measurement>();
  for (const one of measurements) if (isValid(one)) valid.set(`${one.round} ${one.scenario} ${one.subject}`, one);

  return scenarios.flatMap((scenario) =>
    scenario.subjects.flatMap((subject) => {
      const mine = measurements.filter((one) => one.scenario === scenario.name && one.subject === subject);
      if (mine.length === 0) return [];
      const used = mine.filter(isValid);
      const peer = (round: number, of: string, name: Measurement['subject']) => valid.get(`${round} ${of} ${name}`);
      const ratioTo = (name: SubjectName): Spread | null =>
        spreadOf(
          numbers(
            used.map((one) => {
              const other = peer(one.round, scenario.comparedWith, name)?.cpuUs;
              return one.cpuUs !== null && other ? one.cpuUs / other : null;
            }),
          ),
        );
      const added = (which: 'p50Ms' | 'p99Ms'): Spread | null =>
        spreadOf(
          numbers(
            used.map((one) => {
              const direct = peer(one.round, scenario.comparedWith, 'direct');
              return direct && one.latency[which] - direct.latency[which];
            }),
          ),
        );
      const total = (field: 'completed' | 'failures' | 'mismatches'): number =>
        mine.reduce((sum, one) => sum + one[field], 0);
      return [
        {
          scenario: scenario.name,
          subject,
          per: scenario.per,
          cpuUs: spreadOf(numbers(used.map((one) => one.cpuUs))),
          toFloor: ratioTo('floor'),
          toPortkey: ratioTo('portkey'),
          toOwn: scenario.comparedWith === scenario.name ? null : ratioTo(subject),
          toBase: scenario.base === undefined || scenario.base === subject ? null : ratioTo(scenario.base),
          addedP50Ms: added('p50Ms'),
          addedP99Ms: added('p99Ms'),
          perSecond: spreadOf(used.map((one) => one.perSecond)),
          utilisation: spreadOf(numbers(used.map((one) => one.utilisation))),
          eventsPerChunk: spreadOf(numbers(used.map((one) => one.eventsPerChunk))),
          completed: total('completed'),
          failures: total('failures'),
          mismatches: total('mismatches'),
          reconnects: mine.reduce((sum, one) => sum + one.reconnects, 0),
          firstFailure: mine.find((one) => one.firstFailure !== null)?.firstFailure ?? null,
          invalidRounds: mine.length - used.length,
        },
      ];
    }),
  );
}
