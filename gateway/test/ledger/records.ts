/** Records and a ledger to put them in, for the tests of this folder. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { AttemptRecord, RequestRecord } from '../../src/call.ts';
import type { Log } from '../../src/stores/ledger/log.ts';
import { openSqliteLedger, type SqliteLedger } from '../../src/stores/ledger/sqlite-ledger.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

export const AT = Date.UTC(2026, 10, 21, 12, 0, 0);

const attempt: AttemptRecord = {
  number: 1,
  target: 'openai/gpt-5.6',
  provider: 'openai',
  providerModel: 'gpt-5.6',
  outcome: 'ok',
  status: 200,
  usage: {
    inputTokens: 100,
    cacheReadTokens: 20,
    cacheWriteTokens: 3,
    outputTokens: 40,
    reasoningTokens: 5,
    audioInputTokens: 7,
    audioOutputTokens: 4,
    source: 'provider',
  },
  cost: 1234,
  prices: { input: 200_000, cacheRead: 20_000, cacheWrite: 250_000, output: 800_000, source: 'config' },
  startedAt: AT + 1,
  durationMs: 523.127,
};

const request: RequestRecord = {
  id: 'req_0',
  at: AT,
  region: 'eu-west',
  operation: 'chat',
  keyId: 'acme.web',
  organization: 'acme',
  team: 'search',
  user: 'ada',
  tier: 'pro',
  model: 'chat-large',
  degradedFrom: 'chat-huge',
  endUser: 'visitor-7',
  streamed: true,
  admitted: true,
  queueMs: 12.5,
  status: 200,
  outcome: 'ok',
  code: null,
  limit: null,
  reported: ['acme.cost-per-day', 'pro.tokens-per-minute'],
  usage: attempt.usage,
  cost: 1234,
  attempts: [attempt],
  durationMs: 525.003,
  firstTokenMs: 101.5,
};

export function record(id: string, change: Partial<RequestRecord> = {}): RequestRecord {
  return { ...request, id, ...change };
}

export function attemptRecord(change: Partial<AttemptRecord>): AttemptRecord {
  return { ...attempt, ...change };
}

interface Logged {
  readonly level: string;
  readonly message: string;
}

/** A log that can be waited on. */
export class LogBook {
  readonly entries: Logged[] = [];
  #waiting: { readonly message: RegExp; readonly resolve: () => void }[] = [];

  readonly log: Log = (level, message) => {
    this.entries.push({ level, message });
    for (const { resolve } of this.#waiting.filter((waiting) => waiting.message.test(message))) resolve();
    this.#waiting = this.#waiting.filter((waiting) => !waiting.message.test(message));
  };

  count(message: RegExp): number {
    return this.entries.filter((entry) => message.test(entry.message)).length;
  }

  /** Resolves at the next entry that matches. */
  next(message: RegExp): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ message, resolve }));
  }
}

export class Bench {
  readonly directory = mkdtempSync(join(tmpdir(), 'headgate-ledger-'));
  readonly path = join(this.directory, 'data', 'headgate.db');
  readonly journal = join(this.directory, 'data', 'headgate.journal');
  readonly clock = new VirtualClock();
  readonly book = new LogBook();
  #open: SqliteLedger | null = null;

  constructor(test: TestContext) {
    test.after(async () => {
      await this.#open?.close();
      rmSync(this.directory, { recursive: true });
    });
  }

  async open(journalBytesMax?: number): Promise<SqliteLedger> {
    const { path, clock } = this;
    const options = { path, clock, log: this.book.log };
    this.#open = await openSqliteLedger(journalBytesMax === undefined ? options : { ...options, journalBytesMax });
    return this.#open;
  }

  async close(): Promise<void> {
    await this.#open?.close();
    this.#open = null;
  }
}
