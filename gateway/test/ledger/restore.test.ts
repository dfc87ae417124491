import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Limit } from '../../src/policy/limit.ts';
import { restoreQuotas } from '../../src/settle/restore.ts';
import type { UseFilter } from '../../src/stores/ledger-store.ts';
import { MemoryLimitStore } from '../../src/stores/memory/index.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';
import { bind, limitOf } from '../policy/limits.ts';
import { AT, Bench, record } from './records.ts';

const DAY = { kind: 'calendar', period: 'day', timeZone: 'UTC', start: { weekday: 1, day: 1 } } as const;

function quota(id: string, filter: UseFilter, over: Partial<Limit> = {}) {
  return { bound: bind(limitOf(1_000_000, DAY, { id, ...over })), filter };
}

test('after a restart every quota has the use of its running period, in its own unit; a rate starts anew', async (t) => {
  const ledger = await new Bench(t).open();
  ledger.append(JSON.stringify(record('req_yesterday', { at: AT - 24 * 3_600_000 })));
  ledger.append(JSON.stringify(record('req_1', { at: AT - 2000 })));
  ledger.append(JSON.stringify(record('req_2', { at: AT - 1000, team: 'ads', user: 'eva', model: 'chat-small' })));
  const weights = { input: 1000, cacheRead: 100, cacheWrite: 1250, output: 4000, reasoning: 4000, audio: 1000 };
  const counted = [
    quota('requests', { organization: 'acme' }, { dimension: 'requests' }),
    quota('cost', { organization: 'acme', team: 'ads' }, { dimension: 'cost' }),
    quota('model', { organization: 'acme', model: 'chat-large' }),
    quota('target', { target: 'openai/gpt-5.6' }, { dimension: 'inputTokens' }),
    quota('weighted', { key: 'acme.web', models: ['chat-small'] }, { dimension: 'weightedTokens', weights }),
    quota('nobody', { key: 'nobody' }),
    quota('rate', { key: 'acme.web' }, { algorithm: { kind: 'slidingWindow', windowMs: 24 * 3_600_000 } }),
  ];
  const store = new MemoryLimitStore(new VirtualClock(AT));
  await restoreQuotas(counted, new Set(), ledger, store, AT);
  const states = store.read(counted.map(({ bound }) => bound));
  // 93 input, 7 audio in, 20 cache read at a tenth, 3 cache write at 1.25, 36 output and 5 reasoning at 4, 4 audio out.
  const weighted = Math.ceil(93 + 7 + 2 + 3.75 + 4 * 36 + 4 * 5 + 4);
  assert.deepEqual(
    states.map(({ bound, used }) => [bound.limit.id, used]),
    [
      ['requests', 2],
      ['cost', 1234],
      ['model', 168],
      ['target', 246],
      ['weighted', weighted],
      ['nobody', 0],
      ['rate', 0],
    ],
  );
});

test('R44: a quota that a reload brought counts each call once, also those that settle while the ledger is read', async (t) => {
  const ledger = await new Bench(t).open();
  const store = new MemoryLimitStore(new VirtualClock(AT));
  const { bound, filter } = quota('requests', { key: 'acme.web' }, { dimension: 'requests' });
  ledger.append(JSON.stringify(record('req_before', { at: AT - 1 })));
  const restored = new Set<string>();
  const restoring = restoreQuotas([{ bound, filter }], restored, ledger, store, AT);
  // It arrived when the quota was in force, so that the quota counts it, and is in the ledger before that is read.
  store.charge('req_after', [bound], { requests: 1, inputTokens: 0, outputTokens: 0, cost: 0, parts: null });
  ledger.append(JSON.stringify(record('req_after', { at: AT })));
  await ledger.flush();
  await restoring;
  await restoreQuotas([{ bound, filter }], restored, ledger, store, AT + 1);
  assert.equal(store.read([bound])[0]!.used, 2);
});
