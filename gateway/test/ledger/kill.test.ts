import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Bench, record } from './records.ts';

const APPENDER = fileURLToPath(new URL('./appender.ts', import.meta.url));
const ROUNDS = 5;
const MS = 1_000_000n;

const start = (path: string, prefix: string) =>
  spawn(process.execPath, [APPENDER, path, prefix], { stdio: ['ignore', 'pipe', 'pipe'] });

/** Collects what the child prints; resolves at its first line. */
async function listen(child: ChildProcess): Promise<() => string> {
  let printed = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  await once(child.stdout!, 'data');
  return () => printed;
}

/** Kills the child and answers how many records it had appended more than 10 ms before that. */
async function kill(child: ChildProcess, printed: () => string): Promise<number> {
  const killedAt = process.hrtime.bigint();
  child.kill('SIGKILL');
  await once(child, 'close');
  const ticks = printed()
    .split('\n')
    .slice(0, -1)
    .map((text) => text.split(' '));
  // A loaded machine may stop the child before it is killed: what counts is the time that its event loop ran.
  const aliveUntil = BigInt(ticks.at(-1)![0]!) + 2n * MS;
  const promised = (killedAt < aliveUntil ? killedAt : aliveUntil) - 10n * MS;
  return Number(ticks.findLast(([at]) => BigInt(at!) < promised)?.[1] ?? 0);
}

test('kill -9: every record appended more than 10 ms before is on the ledger after a restart, and none twice', async (t) => {
  const bench = new Bench(t);
  const promised = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const child = start(bench.path, `round${round}`);
    const printed = await listen(child);
    // The moment is what is being tested: between writes, in one, in a transaction, before or after a deletion.
    await after(50 + Math.random() * 1500);
    promised.set(`round${round}`, await kill(child, printed));
  }
  const ledger = await bench.open();
  const records = await ledger.recent(1_000_000);
  const ids = new Set(records.map((entry) => entry.id));
  assert.equal(ids.size, records.length);
  for (const [prefix, count] of promised) {
    assert.ok(count > 0);
    for (let number = 0; number < count; number++)
      assert.ok(ids.has(`${prefix}_${number}`), `${prefix}_${number} of ${count}`);
  }
  assert.ok(records.every((entry) => entry.attempts.length === 1));
  const ofKey = await ledger.usedSince({ key: 'acme.web' }, 0, Infinity);
  assert.deepEqual([ofKey.requests, ofKey.inputTokens], [records.length, 123 * records.length]);
  const ofTarget = await ledger.usedSince({ target: 'openai/gpt-5.6' }, 0, Infinity);
  assert.deepEqual([ofTarget.requests, ofTarget.outputTokens], [records.length, 45 * records.length]);
});

test('a second gateway on the same ledger is told who has it and what to do, and gets it once that one is gone', async (t) => {
  const bench = new Bench(t);
  const child = start(bench.path, 'first');
  const printed = await listen(child);
  const error = new RegExp(
    `another gateway \\(process ${child.pid}\\) is using this ledger.*give this gateway its own file`,
  );
  await assert.rejects(bench.open(), error);
  await kill(child, printed);
  const ledger = await bench.open();
  await assert.rejects(bench.open(), new RegExp(`process ${process.pid}`));
  ledger.append(JSON.stringify(record('req_after')));
  await ledger.flush();
  assert.equal(ledger.pending(), 0);
});
