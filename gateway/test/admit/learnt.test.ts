/** What answers teach: the next calls reserve what calls of their model really use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Received } from '../fakes/http-client.ts';
import { type Stand, startStand } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const ROOM = 1_000_000;
const ANSWER = 10;
const bodyOf = (max_tokens: number) => ({
  model: 'm',
  max_tokens,
  messages: [{ role: 'user', content: 'A question of a length that is quite usual for a question, we think.' }],
});

async function ask(stand: Stand, body: object): Promise<Received> {
  const received = await stand.ask({ body });
  assert.equal(received.status, 200);
  await until('it is settled', () => stand.gateway.running === 0);
  return received;
}

/** What the limit had left while the call ran. */
function leftIn({ headers }: Received, limit: string): number {
  const [, left] = new RegExp(`"pro\\.${limit}";r=(\\d+)`).exec(headers['ratelimit']!)!;
  return Number(left);
}

function start(limits: string, model?: string) {
  return startStand({
    clock: new VirtualClock(),
    limits,
    providers: [{ tokens: ANSWER }],
    ...(model !== undefined && { model }),
  });
}

test('the estimate of the input follows what the provider reports for this model', async () => {
  await using stand = await start(`[ { inputTokens: ${ROOM}/hour } ]`);
  const estimates: number[] = [];
  for (let calls = 0; calls < 60; calls++) {
    const before = (await stand.gateway.ledger.recent(1000)).reduce((sum, { usage }) => sum + usage.inputTokens, 0);
    estimates.push(ROOM - before - leftIn(await ask(stand, bodyOf(5)), 'input-tokens-per-hour'));
  }
  const [record] = await stand.gateway.ledger.recent(1);
  const used = record!.usage.inputTokens;
  assert.equal(estimates[0], Math.ceil(JSON.stringify(bodyOf(5)).length / 4));
  for (let calls = 1; calls < estimates.length; calls++) assert.ok(estimates[calls]! <= estimates[calls - 1]!);
  assert.ok(estimates[0]! > 1.5 * used, `${estimates[0]} for ${used}`);
  assert.ok(estimates.at(-1)! >= used && estimates.at(-1)! <= used * 1.1, `${estimates.at(-1)} for ${used}`);
});

test('reserve: p95 reserves the cap until 20 answers were seen, and then what nearly all of them stay below', async () => {
  await using stand = await start(`[ { outputTokens: ${ROOM}/hour } ]`, 'reserve: { output: p95 }');
  for (let calls = 0; calls < 20; calls++) {
    const left = leftIn(await ask(stand, bodyOf(500)), 'output-tokens-per-hour');
    assert.equal(ROOM - ANSWER * calls - left, 500);
  }
  const reserved = ROOM - ANSWER * 20 - leftIn(await ask(stand, bodyOf(500)), 'output-tokens-per-hour');
  assert.ok(reserved >= ANSWER && reserved <= ANSWER * 1.25, `${reserved}`);
  const capped = ROOM - ANSWER * 21 - leftIn(await ask(stand, bodyOf(4)), 'output-tokens-per-hour');
  assert.equal(capped, 4, 'never more than the call may produce');
});

test('answers that failed, and figures that are estimated, teach nothing', async () => {
  const fail = { script: () => ({ faults: [{ kind: 'status' as const, status: 500 }] }) };
  await using stand = await startStand({
    clock: new VirtualClock(),
    limits: `[ { inputTokens: ${ROOM}/hour } ]`,
    provider: 'includeUsage: false',
    providers: [fail, { tokens: ANSWER }],
  });
  const estimate = Math.ceil(JSON.stringify({ ...bodyOf(5), stream: true }).length / 4);
  for (let calls = 0; calls < 5; calls++) {
    const before = (await stand.gateway.ledger.recent(1000)).reduce((sum, { usage }) => sum + usage.inputTokens, 0);
    const received = await ask(stand, { ...bodyOf(5), stream: true });
    assert.equal(ROOM - before - leftIn(received, 'input-tokens-per-hour'), estimate);
  }
});
