import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Random, systemClock, systemRandom } from '../../src/clock.ts';
import { inputOf, outputOf } from '../../src/policy/usage.ts';
import { seeded } from '../../src/provider/seeded.ts';
import { startProvider } from '../../src/provider/server.ts';
import { type ChildGateway, startChildGateway } from '../fakes/child-gateway.ts';
import { hashOf, plainConfig, startTestGateway, TEST_KEY } from '../fakes/gateway.ts';
import { send } from '../fakes/http-client.ts';
import { sumFor } from '../fakes/scene.ts';
import { until } from '../fakes/until.ts';

const ROUNDS = 3;
const CALLERS = 20;
const LOST_AT_MOST_MS = 10;
const SECRET = { authorization: `Bearer ${TEST_KEY}` };

/** A call that its caller saw completed; monotonic milliseconds. */
interface Completed {
  readonly id: string;
  readonly startedAt: number;
  readonly completedAt: number;
}

const callTo = (url: string, stream: boolean, content = 'Say something, please.') =>
  send({
    url,
    path: '/v1/chat/completions',
    headers: SECRET,
    body: { model: 'm', messages: [{ role: 'user', content }], stream, max_tokens: 50 },
  });

/** Puts a gateway under load, kills it at an arbitrary moment, and answers what the callers saw completed until then. */
async function killedUnderLoad(gateway: ChildGateway, random: Random): Promise<readonly Completed[]> {
  const completed: Completed[] = [];
  let killed = false;
  const caller = async (): Promise<void> => {
    while (!killed) {
      const startedAt = systemClock.monotonic();
      const { status, closed, headers, closedAt } = await callTo(gateway.dataUrl, random.next() < 0.5);
      if (status === 200 && closed === 'end')
        completed.push({ id: headers['x-request-id']!, startedAt, completedAt: closedAt });
    }
  };
  const callers = Array.from({ length: CALLERS }, caller);
  const target = 100 + Math.floor(random.next() * 400);
  await until('it is well under load', () => completed.length >= target);
  const gone = gateway.kill();
  killed = true;
  await gone;
  await Promise.all(callers);
  return completed;
}

/**
 * What must have survived. A loaded machine may stop the gateway before the kill does; that it still ran so long after a call is
 * proven by another one that began then and was answered.
 */
function promised(completed: readonly Completed[]): readonly Completed[] {
  const aliveAt = Math.max(...completed.map(({ startedAt }) => startedAt));
  return completed.filter(({ completedAt }) => completedAt + LOST_AT_MOST_MS <= aliveAt);
}

test('kill -9 under load: what callers saw completed more than 10 ms before is on the ledger, and the monthly quota goes on from it', async (t) => {
  const seed = Number(process.env['SEED'] ?? Math.floor(systemRandom.next() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  const random = seeded(seed);
  const directory = mkdtempSync(join(tmpdir(), 'headgate-kill-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const provider = await startProvider({
    clock: systemClock,
    random,
    script: () => ({ tokens: 1 + Math.floor(random.next() * 20), ttftMs: Math.floor(random.next() * 10), paceMs: 1 }),
  });
  t.after(() => provider.close());
  const configured = (quota: string) =>
    plainConfig({
      providers: [provider.url],
      limits: `[ { requests: 1M/month }, { tokens: ${quota}/month, per: organization }, { cost: 1000 USD/month, per: organization } ]`,
    });

  const seen: Completed[] = [];
  const survived: Completed[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await using child = await startChildGateway(directory, configured('100M'));
    const completed = await killedUnderLoad(child, random);
    seen.push(...completed);
    survived.push(...promised(completed));
  }
  t.diagnostic(`${seen.length} calls seen completed, ${survived.length} of them promised`);
  assert.ok(survived.length > seen.length / 2);

  let used = 0;
  {
    await using gateway = await startTestGateway({ yaml: configured('100M'), directory });
    const records = await gateway.ledger.recent(1_000_000);
    const ids = new Set(records.map(({ id }) => id));
    assert.equal(ids.size, records.length, 'no row twice');
    const lost = survived.filter(({ id }) => !ids.has(id));
    assert.deepEqual(lost, [], 'promised and lost');
    t.diagnostic(`${seen.filter(({ id }) => !ids.has(id)).length} calls of the last moments are not on the ledger`);

    const ledgerTokens = records.reduce((sum, { usage }) => sum + inputOf(usage) + outputOf(usage), 0);
    const { promptTokens, generatedTokens } = provider.book.totals;
    assert.ok(records.every(({ usage }) => usage.source === 'provider'));
    assert.ok(
      ledgerTokens <= promptTokens + generatedTokens,
      'nothing is on the ledger that the provider did not serve',
    );
    const caller = gateway.config.current.callersByHash.get(hashOf(TEST_KEY).slice('sha256:'.length))!;
    for (const state of await gateway.limits.read(caller.limits.every())) {
      assert.equal(state.used, sumFor(records, state), `${state.bound.limit.id} goes on from the ledger`);
      assert.ok(state.used > 0);
      if (state.bound.limit.dimension === 'tokens') used = state.used;
    }
  }

  // The same quota, had it been that small: what was used before the kill fills it.
  await using full = await startTestGateway({ yaml: configured(String(used + 60)), directory });
  const asked = provider.book.totals.requests;
  const refused = await callTo(full.dataUrl, false, 'x'.repeat(400));
  assert.equal(refused.status, 429);
  assert.equal((JSON.parse(refused.text) as { error: { headgate: { used: number } } }).error.headgate.used, used);
  assert.equal(provider.book.totals.requests, asked, 'the provider is not asked');
});
