import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics, ROWS_MAX } from '../../src/observe/metrics.ts';
import { record } from '../ledger/records.ts';

const ORDINARY = { queueMs: 0, degradedFrom: null, reported: [], limit: null } as const;

function series(metrics: Metrics): unknown[] {
  const samples = metrics.samples().get('limitDecisions') ?? [];
  return samples.map(({ labels, value }) => [labels['limit'], labels['decision'], value]);
}

test('an ordinary call is no decision of a limit', () => {
  const metrics = new Metrics();
  metrics.count(record('req_1', ORDINARY));
  assert.deepEqual(series(metrics), []);
});

test('each limit counts what it refused, queued, degraded and cut, and what it would have refused', () => {
  const metrics = new Metrics();
  const count = (change: object, heldBy: string | null = null) => {
    metrics.count(record('req_1', { ...ORDINARY, ...change }), heldBy);
  };
  count({ limit: 'a' });
  count({ limit: 'a', reported: ['b', 'c'] });
  count({ limit: 'a', outcome: 'cut_by_limit' });
  count({ queueMs: 5 }, 'a');
  count({ degradedFrom: 'large', queueMs: 5 }, 'd');
  assert.deepEqual(series(metrics), [
    ['a', 'refused', 2],
    ['b', 'would_refuse', 1],
    ['c', 'would_refuse', 1],
    ['a', 'cut', 1],
    ['a', 'queued', 1],
    ['d', 'degraded', 1],
  ]);
  assert.deepEqual([metrics.decided('a', 'refused'), metrics.decided('a', 'degraded')], [2, 0]);
});

test('R59: beyond 2,000 combinations the rest is counted together', () => {
  const metrics = new Metrics();
  for (let nth = 0; nth < ROWS_MAX + 5; nth++) metrics.count(record('req_1', { ...ORDINARY, limit: `limit-${nth}` }));
  const all = series(metrics);
  assert.equal(all.length, ROWS_MAX + 1);
  assert.deepEqual(all.at(-1), ['other', 'refused', 5]);
});
