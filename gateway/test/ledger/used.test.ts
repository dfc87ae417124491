/** What quotas of every level are restored from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RequestRecord } from '../../src/call.ts';
import type { Amounts } from '../../src/policy/limit.ts';
import { addUsage, amountsOf, NO_USAGE, type Usage } from '../../src/policy/usage.ts';
import type { UseFilter } from '../../src/stores/ledger-store.ts';
import { AT, attemptRecord, Bench, record } from './records.ts';

const line = (entry: RequestRecord) => JSON.stringify(entry);
const MINUTES_MS = 4 * 60_000;

const name = (...names: string[]) => fc.constantFrom(...names);
const nameOrNull = (...names: string[]) => fc.constantFrom(null, ...names);
const count = fc.nat(50);
const usage: fc.Arbitrary<Usage> = fc.record({
  inputTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
  outputTokens: count,
  reasoningTokens: count,
  audioInputTokens: count,
  audioOutputTokens: count,
  source: fc.constant('provider'),
});
const cost = fc.option(count);
const attempt = fc
  .record({ target: name('openai/large', 'azure/large'), usage, cost })
  .map((change) => attemptRecord(change));
/** Names recur at several levels, so that a sum over the wrong column is found out. */
const call = fc.record({
  at: fc.nat(MINUTES_MS).map((after) => AT + after),
  organization: nameOrNull('a', 'b'),
  team: nameOrNull('a', 'b'),
  user: nameOrNull('a', 'b'),
  keyId: nameOrNull('a', 'b', 'c'),
  tier: nameOrNull('a', 'b'),
  model: nameOrNull('large', 'small', 'a'),
  endUser: nameOrNull('a', "o'brien\n", ''),
  admitted: fc.boolean(),
  usage,
  cost,
  attempts: fc
    .array(attempt, { maxLength: 2 })
    .map((attempts) => attempts.map((one, index) => ({ ...one, number: index + 1 }))),
});

const models = { model: name('large', 'small'), models: fc.subarray(['large', 'small', 'a']) };
const filter: fc.Arbitrary<UseFilter> = fc.oneof(
  fc.record(
    {
      organization: name('a', 'b'),
      team: name('a', 'b'),
      user: name('a', 'b'),
      key: name('a', 'b', 'c'),
      tier: name('a', 'b'),
      endUser: name('a', "o'brien\n"),
      ...models,
    },
    { requiredKeys: [] },
  ),
  fc.record(models, { requiredKeys: [] }),
  fc.record({ target: name('openai/large', 'azure/large'), ...models }, { requiredKeys: ['target'] }),
);
const instant = fc.oneof(
  fc.nat(MINUTES_MS).map((after) => AT + after),
  fc.nat(4).map((minutes) => AT + minutes * 60_000),
);
const until = fc.oneof(instant, fc.constant(Infinity));

/** The same, the long way. */
function added(records: readonly RequestRecord[], wanted: UseFilter, sinceMs: number, untilMs: number): Amounts {
  const counted = records
    .filter(({ admitted, at }) => admitted && at >= sinceMs && at < untilMs)
    .filter(({ model }) => wanted.model === undefined || wanted.model === model)
    .filter(({ model }) => wanted.models === undefined || (model !== null && wanted.models.includes(model)));
  const parts =
    wanted.target === undefined
      ? counted.filter(
          (one) =>
            (wanted.organization ?? one.organization) === one.organization &&
            (wanted.team ?? one.team) === one.team &&
            (wanted.user ?? one.user) === one.user &&
            (wanted.key ?? one.keyId) === one.keyId &&
            (wanted.tier ?? one.tier) === one.tier &&
            (wanted.endUser ?? one.endUser) === one.endUser,
        )
      : counted.flatMap(({ attempts }) => attempts.filter(({ target }) => target === wanted.target));
  const sum = parts.reduce((total, part) => addUsage(total, part.usage), NO_USAGE);
  const price = parts.reduce((total, part) => total + (part.cost ?? 0), 0);
  return { ...amountsOf(sum, price), requests: parts.length };
}

test('use is that of exactly the admitted calls that match every field of a filter and arrived in the interval', async (t) => {
  const ledger = await new Bench(t).open();
  const calls = fc.sample(call, { numRuns: 400, seed: 3 });
  const records = calls.map((change, index) => record(`req_${index}`, change));
  for (const [index, entry] of records.entries()) {
    ledger.append(line(entry));
    // So that a sum grows over several transactions.
    if (index % 150 === 0) await ledger.flush();
  }
  let found = 0;
  await fc.assert(
    fc.asyncProperty(filter, instant, until, async (wanted, sinceMs, untilMs) => {
      const used = await ledger.usedSince(wanted, sinceMs, untilMs);
      assert.deepEqual(used, added(records, wanted, sinceMs, untilMs));
      if (used.requests > 0) found += 1;
    }),
    { numRuns: 500 },
  );
  assert.ok(found > 50, `${found} of 500 filters match anything`);
});

test('a call counts as one request exactly when the limits admitted it, however it ended', async (t) => {
  const ledger = await new Bench(t).open();
  const unspent = { at: AT + 500, usage: NO_USAGE, cost: 0, attempts: [] };
  const notAdmitted = { ...unspent, admitted: false };
  ledger.append(line(record('req_list', { ...notAdmitted, operation: 'models', model: null })));
  ledger.append(line(record('req_left', { ...notAdmitted, outcome: 'client_closed', status: 499 })));
  /** As the sums by minute have it, and as the rows of a part of a minute do. */
  const counted = async () =>
    (await Promise.all([AT, AT + 1].map((since) => ledger.usedSince({ key: 'acme.web' }, since, Infinity)))).map(
      ({ requests }) => requests,
    );
  assert.deepEqual(await counted(), [0, 0]);
  ledger.append(line(record('req_cut', { ...unspent, outcome: 'drained', status: 503 })));
  assert.deepEqual(await counted(), [1, 1]);
  assert.deepEqual(
    (await ledger.recent(10)).map(({ id, admitted }) => [id, admitted]),
    [
      ['req_list', false],
      ['req_left', false],
      ['req_cut', true],
    ],
  );
});

test('use beyond the largest safe integer is that integer', async (t) => {
  const ledger = await new Bench(t).open();
  for (const id of ['req_1', 'req_2', 'req_3']) {
    ledger.append(line(record(id, { cost: Number.MAX_SAFE_INTEGER })));
    await ledger.flush();
  }
  assert.equal((await ledger.usedSince({}, AT, Infinity)).cost, Number.MAX_SAFE_INTEGER);
});
