import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Measurement } from '../../bench/measure.ts';
import { promises, tables } from '../../bench/report.ts';
import { planOf } from '../../bench/scenarios.ts';
import { summarize } from '../../bench/summary.ts';
import { judge } from '../../bench/targets.ts';

const { scenarios } = planOf(false);

function measurement(
  round: number,
  scenario: string,
  subject: Measurement['subject'],
  cpuUs: number | null,
  p50Ms: number,
  failures = 0,
): Measurement {
  return {
    round,
    scenario,
    subject,
    cpuUs,
    perSecond: 1000,
    utilisation: 0.5,
    foreign: 0,
    eventsPerChunk: null,
    latency: { p50Ms, p99Ms: p50Ms * 2 },
    completed: 100,
    failures,
    mismatches: failures,
    reconnects: 0,
    firstFailure: failures > 0 ? 'not the expected body' : null,
  };
}

/** Two rounds on a machine that is twice as slow in the second one. */
const ROUNDS = [1, 2].flatMap((pace) => [
  measurement(pace, 'json-1k', 'direct', null, 0.1 * pace),
  measurement(pace, 'json-1k', 'floor', 40 * pace, 0.2 * pace),
  measurement(pace, 'json-1k', 'portkey', 800 * pace, 2 * pace),
  measurement(pace, 'json-1k', 'headgate', 60 * pace, 0.3 * pace),
  measurement(pace, 'limited', 'headgate', 30 * pace, 0.15 * pace),
]);

const rowOf = (measurements: readonly Measurement[], scenario: string, subject: string) =>
  summarize(scenarios, measurements).find((row) => row.scenario === scenario && row.subject === subject);

test('ratios are taken within a round, so that a machine changing its pace does not change them', () => {
  const row = rowOf(ROUNDS, 'json-1k', 'headgate');
  assert.deepEqual(row?.toFloor, { median: 1.5, least: 1.5, most: 1.5 });
  assert.deepEqual(row?.toPortkey, { median: 0.075, least: 0.075, most: 0.075 });
  assert.deepEqual(row?.cpuUs, { median: 90, least: 60, most: 120 });
  assert.equal(row?.toOwn, null);
});

test('added latency is what exceeds the upstream itself in the same round', () => {
  const added = rowOf([...ROUNDS], 'json-1k', 'headgate')?.addedP50Ms;
  assert.ok(added && Math.abs(added.least - 0.2) < 1e-9 && Math.abs(added.most - 0.4) < 1e-9);
});

test('a refusal is compared with the floor and with the same subject serving JSON', () => {
  const row = rowOf(ROUNDS, 'limited', 'headgate');
  assert.equal(row?.toFloor?.median, 0.75);
  assert.equal(row?.toOwn?.median, 0.5);
});

test('a window with a failure is counted and left out of every figure', () => {
  const bad = measurement(3, 'json-1k', 'headgate', 1, 0, 7);
  const row = rowOf([...ROUNDS, measurement(3, 'json-1k', 'floor', 40, 1), bad], 'json-1k', 'headgate');
  assert.equal(row?.toFloor?.least, 1.5);
  assert.equal(row?.invalidRounds, 1);
  assert.equal(row?.failures, 7);
  assert.match(tables(scenarios, [row!], []).join(''), /7 WRONG/);
});

test('a failed window of the floor gives no ratio instead of a flattering one', () => {
  const row = rowOf(
    [measurement(1, 'json-1k', 'floor', 400, 1, 1), measurement(1, 'json-1k', 'headgate', 60, 1)],
    'json-1k',
    'headgate',
  );
  assert.equal(row?.toFloor, null);
});

test('a promise is reached, not reached, or not measured, and is never guessed', () => {
  const targets = judge(summarize(scenarios, ROUNDS), 120);
  const verdicts = targets.map(({ reached }) => reached);
  assert.deepEqual(verdicts, [null, null, true, true, null, null, true, false, null]);
  const text = promises(targets);
  assert.match(text, /times the floor's +at most 1.8 +1.500 +reached/);
  assert.match(text, /idle, MiB +at most 110.0 +120.000 +NOT REACHED/);
  assert.match(text, /SSE fast.* - +not measured/);
});

test('twelve limits are compared with one in the same round', () => {
  const row = rowOf(
    [
      measurement(1, 'journey-limits', 'headgate-1-limit', 50, 1),
      measurement(1, 'journey-limits', 'headgate-12-limits', 60, 1),
    ],
    'journey-limits',
    'headgate-12-limits',
  );
  assert.equal(row?.toBase?.median, 1.2);
  assert.match(promises(judge([row!], null)), /under 12 limits.* at most 1.15 +1.200 +NOT REACHED/);
  assert.match(tables(scenarios, [row!], []).join(''), /headgate-12-limits: 1.20x headgate-1-limit/);
});

test('every scenario is compared with one that is in the plan', () => {
  for (const quick of [true, false]) {
    const plan = planOf(quick);
    const names = plan.scenarios.map((scenario) => scenario.name);
    for (const scenario of plan.scenarios) assert.ok(names.includes(scenario.comparedWith));
  }
});
