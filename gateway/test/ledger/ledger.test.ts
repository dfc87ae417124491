import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { RequestRecord } from '../../src/call.ts';
import { NO_USAGE } from '../../src/policy/usage.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite-ledger.ts';
import { AT, attemptRecord, Bench, record } from './records.ts';

const line = (entry: RequestRecord) => JSON.stringify(entry);

test('what was appended is read back, newest first, with every attempt and every null', async (t) => {
  const ledger = await new Bench(t).open();
  const refused = record('req_2', {
    at: AT + 5,
    operation: null,
    keyId: null,
    organization: null,
    team: null,
    user: null,
    tier: null,
    model: null,
    degradedFrom: null,
    endUser: null,
    streamed: false,
    status: 401,
    outcome: 'rejected_identify',
    admitted: false,
    code: 'invalid_api_key',
    limit: 'pro.requests-per-minute',
    reported: [],
    queueMs: 0,
    usage: NO_USAGE,
    cost: null,
    attempts: [],
    firstTokenMs: null,
  });
  const failed = attemptRecord({ outcome: 'timeout_connect', status: null, usage: NO_USAGE, cost: null, prices: null });
  const second = record('req_1', { model: 'zwölf-🙂', attempts: [failed, attemptRecord({ number: 2 })] });
  ledger.append(line(second));
  ledger.append(line(refused));
  await ledger.flush();
  assert.deepEqual(await ledger.recent(10), [refused, second]);
  assert.deepEqual(await ledger.recent(1), [refused]);
});

test('a record is found by its request id, also one that was appended just now', async (t) => {
  const ledger = await new Bench(t).open();
  const wanted = record('req_1', {
    attempts: [attemptRecord({ outcome: 'upstream_error' }), attemptRecord({ number: 2 })],
  });
  ledger.append(line(wanted));
  ledger.append(line(record('req_2')));
  assert.deepEqual(await ledger.find('req_1'), wanted);
  assert.equal(await ledger.find('req_3'), null);
});

test('R51: a request that is appended twice is one row and is counted once', async (t) => {
  const ledger = await new Bench(t).open();
  ledger.append(line(record('req_1')));
  ledger.append(line(record('req_1')));
  await ledger.flush();
  ledger.append(line(record('req_1')));
  assert.equal((await ledger.recent(10)).length, 1);
  assert.equal((await ledger.usedSince({ key: 'acme.web' }, 0, Infinity)).requests, 1);
  assert.equal((await ledger.usedSince({ target: 'openai/gpt-5.6' }, 0, Infinity)).requests, 1);
});

test('a record is written to the journal within 5 ms and is a row 1 s later, without being asked for', async (t) => {
  const bench = new Bench(t);
  const ledger = await bench.open();
  ledger.append(line(record('req_1')));
  assert.deepEqual(segments(bench), []);
  bench.clock.advance(5);
  assert.equal(readFileSync(join(bench.journal, '00000001.jsonl'), 'utf8'), `${line(record('req_1'))}\n`);
  assert.equal(ledger.pending(), 1);
  bench.clock.advance(1000);
  await ledger.flush();
  assert.equal(ledger.pending(), 0);
  assert.deepEqual(segments(bench), []);
});

test('what was used survives closing and opening again', async (t) => {
  const bench = new Bench(t);
  const first = await bench.open();
  first.append(line(record('req_1')));
  await bench.close();
  assert.equal(existsSync(`${bench.path}-wal`), false);
  const second = await bench.open();
  assert.equal((await second.usedSince({ organization: 'acme' }, AT, Infinity)).inputTokens, 123);
});

test('segments of an earlier process are stored before the ledger opens, and a torn last line is skipped', async (t) => {
  const bench = new Bench(t);
  mkdirSync(bench.journal, { recursive: true });
  const whole = line(record('req_1'));
  writeFileSync(join(bench.journal, '00000007.jsonl'), `${whole}\n${line(record('req_2'))}\n`);
  // Stored already, and not yet deleted when the process died; its last line misses but the newline.
  writeFileSync(join(bench.journal, '00000008.jsonl'), `${whole}\n${line(record('req_3'))}`);
  writeFileSync(join(bench.journal, '00000009.jsonl'), `${line(record('req_4'))}\n${whole.slice(0, 300)}`);
  const ledger = await bench.open();
  const ids = (await ledger.recent(10)).map((entry) => entry.id);
  assert.deepEqual(ids, ['req_4', 'req_3', 'req_2', 'req_1']);
  assert.deepEqual(segments(bench), []);
  assert.equal(bench.book.count(/cut off by a crash/), 1);
  ledger.append(line(record('req_5')));
  bench.clock.advance(5);
  assert.deepEqual(segments(bench), ['00000010.jsonl']);
});

test('a line that fits no row is kept aside and holds up nothing', async (t) => {
  const bench = new Bench(t);
  const ledger = await bench.open();
  const unfit = ['{"id":"req_x"}', 'not json', line(record('req_y', { region: null as unknown as string }))];
  ledger.append(line(record('req_1')));
  for (const text of unfit) ledger.append(text);
  ledger.append(line(record('req_2')));
  await ledger.flush();
  assert.deepEqual(
    (await ledger.recent(10)).map((entry) => entry.id),
    ['req_2', 'req_1'],
  );
  assert.equal(readFileSync(join(bench.journal, 'unfit.jsonl'), 'utf8'), `${unfit.join('\n')}\n`);
  assert.equal(bench.book.count(/kept in unfit.jsonl/), 1);
});

test('R25: while the database is locked nothing is lost, and it is stored once the lock is gone', async (t) => {
  const bench = new Bench(t);
  const ledger = await bench.open();
  const other = new DatabaseSync(bench.path);
  other.exec('BEGIN IMMEDIATE');
  const failed = bench.book.next(/cannot write to its database/);
  ledger.append(line(record('req_1')));
  const flushed = ledger.flush();
  await failed;
  ledger.append(line(record('req_2')));
  bench.clock.advance(5);
  assert.equal(ledger.pending(), 2);
  other.exec('COMMIT');
  other.close();
  bench.clock.advance(250);
  await flushed;
  await ledger.flush();
  assert.equal((await ledger.recent(10)).length, 2);
  assert.equal(bench.book.count(/cannot write to its database/), 1);
  assert.equal(bench.book.count(/writes to its database again/), 1);
});

test('R25: while the database is broken records stay in the journal, also over a restart', async (t) => {
  const bench = new Bench(t);
  const ledger = await bench.open();
  const other = new DatabaseSync(bench.path);
  other.exec('ALTER TABLE attempts RENAME TO elsewhere');
  const failed = bench.book.next(/cannot write to its database/);
  ledger.append(line(record('req_1')));
  ledger.flush();
  await failed;
  await bench.close();
  assert.equal(bench.book.count(/stay in the journal/), 1);
  assert.deepEqual(segments(bench), ['00000001.jsonl']);
  other.exec('ALTER TABLE elsewhere RENAME TO attempts');
  other.close();
  assert.equal((await (await bench.open()).recent(10)).length, 1);
});

test('R25: a full journal drops records, counts them, says so once, and takes records again when it has room', async (t) => {
  const bench = new Bench(t);
  const ledger = await bench.open(3000);
  for (let number = 0; number < 10; number++) ledger.append(line(record(`req_${number}`)));
  const dropped = ledger.dropped;
  assert.ok(dropped > 0 && dropped < 10);
  assert.equal(ledger.pending(), 10 - dropped);
  await ledger.flush();
  assert.equal((await ledger.recent(20)).length, 10 - dropped);
  assert.equal(bench.book.count(/records are dropped/), 1);
  ledger.append(line(record('req_later')));
  assert.equal(ledger.dropped, dropped);
});

test('a path that cannot hold a ledger is refused with the way out', async (t) => {
  const bench = new Bench(t);
  const open = (path: string) => openSqliteLedger({ path, clock: bench.clock, log: bench.book.log });
  await assert.rejects(open(':memory:'), /needs a file.*Set stores\.ledger to sqlite:<path>/);
  writeFileSync(
    join(bench.directory, 'text.db'),
    'this is not a database, but it is longer than a header of one'.repeat(20),
  );
  await assert.rejects(
    open(join(bench.directory, 'text.db')),
    /cannot open the ledger .*text\.db: file is not a database/,
  );
});

function segments(bench: Bench): string[] {
  return readdirSync(bench.journal).filter((name) => /^\d+\.jsonl$/.test(name));
}
