/** R28: a request that any limit refuses changes no counter, and the headers tell the true remainder. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LimitState } from '../../src/stores/limit-store.ts';
import type { Received } from '../fakes/http-client.ts';
import { CHAT, errorOf, type Stand, startStand } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

/** The state of every limit of the one key, asked of the store itself. */
async function truth(stand: Stand): Promise<readonly LimitState[]> {
  const [caller] = [...stand.gateway.config.current.callersByHash.values()];
  return stand.gateway.limits.read(caller!.limits.every());
}

const remainingIn = ({ headers }: Received, unit: string) => Number(headers[`x-ratelimit-remaining-${unit}`]);

test('R28: a request refused for concurrency costs no request and no token', async () => {
  const held = new VirtualClock();
  await using stand = await startStand({
    clock: new VirtualClock(),
    limits:
      '[ { requests: 10/minute }, { tokens: 10k/minute }, { tokens: 1M/month, per: organization }, { concurrency: 1 } ]',
    providers: [{ clock: held, script: () => ({ faults: [{ kind: 'delay', ms: 1000 }] }) }],
  });
  const running = stand.ask();
  await until('it reaches the provider', () => stand.seen === 1);
  const before = await truth(stand);
  for (let refused = 0; refused < 5; refused++) {
    const received = await stand.ask();
    assert.equal(received.status, 429);
    assert.equal(errorOf(received).code, 'concurrency_exceeded');
    assert.equal(remainingIn(received, 'requests'), 9);
  }
  assert.deepEqual(await truth(stand), before);
  held.advance(1000);
  assert.equal((await running).status, 200);
});

test('R28: a request refused for tokens costs no request, nor one refused for requests a token', async () => {
  await using stand = await startStand({
    clock: new VirtualClock(),
    limits: '[ { requests: 2/minute }, { tokens: 100/minute }, { cost: 1 USD/day } ]',
  });
  const ok = await stand.ask({ body: { ...CHAT, max_tokens: 60 } });
  const left = remainingIn(ok, 'requests');
  const before = await truth(stand);
  const tokens = await stand.ask({ body: { ...CHAT, max_tokens: 60 } });
  assert.equal(tokens.status, 429);
  assert.match(tokens.text, /pro\.tokens-per-minute/);
  assert.equal(remainingIn(tokens, 'requests'), left);
  assert.deepEqual(await truth(stand), before);

  await stand.ask();
  const full = await truth(stand);
  const requests = await stand.ask();
  assert.equal(requests.status, 429);
  assert.match(requests.text, /pro\.requests-per-minute/);
  assert.deepEqual(
    (await truth(stand)).map(({ used, reserved, remaining }) => [used, reserved, remaining]),
    full.map(({ used, reserved, remaining }) => [used, reserved, remaining]),
  );
});

test('R28: requests that are refused before the limits are asked change no counter', async () => {
  await using stand = await startStand({ clock: new VirtualClock(), limits: '[ { requests: 2/minute } ]' });
  const before = await truth(stand);
  for (const body of ['{', { model: 'nobody' }, { messages: [] }]) await stand.ask({ body });
  await stand.ask({ path: '/v1/nowhere' });
  await stand.ask({ method: 'GET', path: '/v1/models' });
  assert.deepEqual(await truth(stand), before);
});

test('R28: the remainder in the headers is what can still be taken, call after call', async () => {
  await using stand = await startStand({
    clock: new VirtualClock(),
    limits: '[ { requests: 4/minute }, { tokens: 10k/minute } ]',
  });
  for (const left of [3, 2, 1, 0]) {
    const received = await stand.ask();
    assert.equal(received.status, 200);
    assert.equal(remainingIn(received, 'requests'), left);
    const [requests, tokens] = await truth(stand);
    assert.equal(requests!.remaining, left);
    // The header was sent with the worst case reserved; what was not used has come back since.
    assert.ok(remainingIn(received, 'tokens') <= tokens!.remaining);
  }
  const refused = await stand.ask();
  assert.equal(refused.status, 429);
  const [requests, tokens] = await truth(stand);
  assert.equal(remainingIn(refused, 'requests'), requests!.remaining);
  assert.equal(remainingIn(refused, 'tokens'), tokens!.remaining);
});

test('R28: of several limits of one kind the headers tell the one with the least left', async () => {
  await using stand = await startStand({
    clock: new VirtualClock(),
    limits: '[ { requests: 100/minute }, { requests: 5/hour, per: organization }, { requests: 50/day } ]',
  });
  const { headers } = await stand.ask();
  assert.equal(headers['x-ratelimit-limit-requests'], '5');
  assert.equal(headers['x-ratelimit-remaining-requests'], '4');
});

test('R28b: one call is one request, however many targets it takes; tokens are those of the attempt that used some', async () => {
  const fail = (status: number) => ({ script: () => ({ faults: [{ kind: 'status' as const, status }] }) });
  await using stand = await startStand({
    clock: new VirtualClock(),
    limits: '[ { requests: 10/minute }, { tokens: 10k/minute } ]',
    providers: [fail(500), fail(503), {}],
  });
  const received = await stand.ask();
  assert.equal(received.status, 200);
  assert.equal(received.headers['x-headgate-attempts'], '3');
  assert.equal(stand.seen, 3);
  const [record] = await stand.gateway.ledger.recent(1);
  assert.deepEqual(
    record!.attempts.map(({ usage }) => usage.inputTokens + usage.outputTokens > 0),
    [false, false, true],
  );
  const [requests, tokens] = await truth(stand);
  assert.equal(requests!.used, 1);
  assert.equal(tokens!.used, record!.usage.inputTokens + record!.usage.outputTokens);
  assert.equal(tokens!.reserved, 0);
});
