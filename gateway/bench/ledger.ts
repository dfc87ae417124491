/**
 * What the ledger costs: CPU-microseconds per appended request, main thread and ledger thread together, at several
 * rates of arrival. Time is virtual, so that waiting costs nothing and batches have the size they have at that rate.
 * Nothing is asserted.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RequestRecord } from '../src/call.ts';
import { systemClock, ulids } from '../src/clock.ts';
import { INGEST_EVERY_MS, openSqliteLedger, type SqliteLedger } from '../src/stores/ledger/sqlite-ledger.ts';
import { VirtualClock } from '../test/fakes/virtual-clock.ts';

const RECORDS = 50_000;
const KEYS = 200;
const ids = ulids(systemClock);

const usage = {
  inputTokens: 812,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 187,
  reasoningTokens: 0,
  audioInputTokens: 0,
  audioOutputTokens: 0,
  source: 'provider',
} as const;

function line(number: number): string {
  const key = number % KEYS;
  const organization = `org${key % (KEYS / 4)}`;
  const at = systemClock.now();
  const record: RequestRecord = {
    id: ids.request(),
    at,
    region: 'eu-west',
    operation: 'chat',
    keyId: `${organization}.key${key}`,
    organization,
    team: null,
    user: null,
    tier: 'pro',
    model: 'chat-small',
    degradedFrom: null,
    endUser: null,
    streamed: false,
    admitted: true,
    queueMs: 0,
    status: 200,
    outcome: 'ok',
    code: null,
    limit: null,
    reported: [],
    usage,
    cost: 312_000,
    attempts: [
      {
        number: 1,
        target: 'provider/model-small',
        provider: 'provider',
        providerModel: 'model-small',
        outcome: 'ok',
        status: 200,
        usage,
        cost: 312_000,
        prices: { input: 200_000, cacheRead: 100_000, cacheWrite: 200_000, output: 800_000, source: 'config' },
        startedAt: at,
        durationMs: 523.127,
      },
    ],
    durationMs: 525.213,
    firstTokenMs: 101.112,
  };
  return JSON.stringify(record);
}

/** Appends `lines` as they would arrive at `rate` a second; answers the CPU-microseconds that this process spent on it. */
async function cpu(ledger: SqliteLedger, clock: VirtualClock, lines: readonly string[], rate: number): Promise<number> {
  const before = process.cpuUsage();
  const start = clock.now();
  for (let next = 0; next < lines.length; ) {
    const due = Math.min(lines.length, ((clock.now() - start + 1) * rate) / 1000);
    while (next < due) ledger.append(lines[next++]!);
    clock.advance(1);
    // The thread gets the real time that this much virtual time would have given it.
    if (clock.now() % INGEST_EVERY_MS === 0) await ledger.flush();
  }
  await ledger.flush();
  const spent = process.cpuUsage(before);
  return spent.user + spent.system;
}

const directory = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
const clock = new VirtualClock();
const log = () => undefined;
const ledger = await openSqliteLedger({ path: join(directory, 'bench.db'), clock, log });
const lines = (count: number) => Array.from({ length: count }, (_, number) => line(number));
try {
  await cpu(ledger, clock, lines(RECORDS / 2), 5000);
  for (const rate of [200, 1000, 5000]) {
    const records = Math.min(RECORDS, rate * 20);
    const measured = lines(records);
    const each = (await cpu(ledger, clock, measured, rate)) / records;
    console.log(`${records} records of ${measured[0]!.length} bytes at ${rate}/s: ${each.toFixed(2)} CPU-µs each`);
  }
} finally {
  await ledger.close();
  rmSync(directory, { recursive: true });
}
