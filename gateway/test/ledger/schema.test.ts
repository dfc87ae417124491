import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { RequestRecord } from '../../src/call.ts';
import type { Usage } from '../../src/policy/usage.ts';
import type { UseFilter } from '../../src/stores/ledger-store.ts';
import { AT, attemptRecord, Bench, record } from './records.ts';

const SCHEMA_1 = readFileSync(new URL('./schema-1.sql', import.meta.url), 'utf8');
const FILTERS: readonly UseFilter[] = [
  {},
  { organization: 'acme' },
  { organization: 'other' },
  { key: 'acme.web' },
  { tier: 'pro' },
  { organization: 'acme', model: 'chat-small' },
  { models: ['chat-large'] },
  { target: 'openai/gpt-5.6' },
  { target: 'azure/gpt-5.6' },
  { target: 'openai/gpt-5.6', model: 'chat-small' },
];

function write(bench: Bench, sql: string): void {
  mkdirSync(dirname(bench.path), { recursive: true });
  const database = new DatabaseSync(bench.path);
  database.exec(sql);
  database.close();
}

/** The line that the Headgate before migration 2 wrote of this record. */
function lineBefore2({ team, user, degradedFrom, endUser, queueMs, reported, ...rest }: RequestRecord): string {
  const usageBefore2 = ({ audioInputTokens, audioOutputTokens, ...usage }: Usage) => usage;
  const attempts = rest.attempts.map((attempt) => ({ ...attempt, usage: usageBefore2(attempt.usage) }));
  return JSON.stringify({ ...rest, usage: usageBefore2(rest.usage), attempts });
}

test('a ledger of the first schema keeps its records, and its use is as if it were written today', async (t) => {
  const old = new Bench(t);
  write(old, SCHEMA_1);
  const migrated = await old.open();
  const records = await migrated.recent(10);
  assert.deepEqual(
    records.map(({ id }) => id),
    ['req_6', 'req_5', 'req_4', 'req_3', 'req_2', 'req_1'],
  );
  const unknown = { team: null, user: null, degradedFrom: null, endUser: null, queueMs: 0, reported: [] };
  const silent = { audioInputTokens: 0, audioOutputTokens: 0 };
  const { usage } = record('');
  const attempts = [attemptRecord({ usage: { ...usage, ...silent } })];
  const first = record('req_1', { region: "eu'west", ...unknown, usage: { ...usage, ...silent }, attempts });
  assert.deepEqual(records.at(-1), first);

  const fresh = await new Bench(t).open();
  for (const ledger of [migrated, fresh])
    ledger.append(JSON.stringify(record('req_7', { at: AT + 61_500, ...unknown })));
  for (const entry of records) fresh.append(JSON.stringify(entry));
  for (const filter of FILTERS) {
    for (const since of [AT, AT + 1, AT + 60_000]) {
      const used = await migrated.usedSince(filter, since, Infinity);
      assert.deepEqual(used, await fresh.usedSince(filter, since, Infinity), JSON.stringify(filter));
    }
    assert.ok((await migrated.usedSince(filter, AT, Infinity)).requests > 0, JSON.stringify(filter));
  }
});

test('what a Headgate of the first schema left in its journal is stored', async (t) => {
  const bench = new Bench(t);
  write(bench, SCHEMA_1);
  mkdirSync(bench.journal);
  const left = record('req_left', { at: AT + 62_001 });
  writeFileSync(join(bench.journal, '00000003.jsonl'), `${lineBefore2(left)}\n`);
  const [stored] = await (await bench.open()).recent(1);
  assert.equal(lineBefore2(stored!), lineBefore2(left));
  assert.deepEqual([stored!.team, stored!.queueMs, stored!.reported, stored!.usage.audioInputTokens], [null, 0, [], 0]);
});

test('a ledger of a newer Headgate is refused', async (t) => {
  const bench = new Bench(t);
  await bench.open();
  await bench.close();
  write(bench, 'PRAGMA user_version = 99');
  await assert.rejects(bench.open(), /schema 99 .* start the newer Headgate/);
});
