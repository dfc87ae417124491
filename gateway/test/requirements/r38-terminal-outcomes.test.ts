import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../src/call.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import type { Fault } from '../../src/provider/faults.ts';
import { type Scene, setScene } from '../fakes/scene.ts';
import { turns, until } from '../fakes/until.ts';

const TIMEOUTS = '{ headers: 20s, firstToken: 30s, idle: 40s, total: 100s }';
/** Longer than any of them. */
const WAIT_MS = 100_000;

interface Case {
  readonly fault: Fault;
  readonly stream: boolean;
  readonly outcome: Outcome;
  readonly timeouts?: string;
}

const some = { after: { events: 4 } };
const half = { after: { bytes: 150 } };

const CASES: readonly Case[] = [
  { fault: { kind: 'cut', ...some }, stream: true, outcome: 'truncated' },
  { fault: { kind: 'close', ...some }, stream: true, outcome: 'truncated' },
  { fault: { kind: 'reset', ...some }, stream: true, outcome: 'truncated' },
  { fault: { kind: 'cut', after: { events: 1 } }, stream: true, outcome: 'truncated' },
  { fault: { kind: 'empty' }, stream: true, outcome: 'truncated' },
  { fault: { kind: 'error', afterEvents: 4 }, stream: true, outcome: 'upstream_error_in_stream' },
  { fault: { kind: 'error', afterEvents: 0 }, stream: true, outcome: 'upstream_error_in_stream' },
  { fault: { kind: 'stall', ...some }, stream: true, outcome: 'timeout_idle' },
  { fault: { kind: 'first-token', ms: 3_600_000 }, stream: true, outcome: 'timeout_first_token' },
  { fault: { kind: 'silent' }, stream: true, outcome: 'timeout_headers' },
  { fault: { kind: 'silent' }, stream: true, outcome: 'timeout_total', timeouts: '{ total: 10s }' },
  { fault: { kind: 'silent' }, stream: false, outcome: 'timeout_headers' },
  { fault: { kind: 'stall', ...half }, stream: false, outcome: 'timeout_idle' },
  { fault: { kind: 'cut', ...half }, stream: false, outcome: 'truncated' },
  { fault: { kind: 'reset', ...half }, stream: false, outcome: 'truncated' },
  { fault: { kind: 'empty' }, stream: false, outcome: 'truncated' },
  { fault: { kind: 'garbage', what: 'http' }, stream: false, outcome: 'upstream_error' },
  { fault: { kind: 'status', status: 500 }, stream: false, outcome: 'upstream_error' },
  { fault: { kind: 'status', status: 401 }, stream: true, outcome: 'upstream_error' },
  { fault: { kind: 'status', status: 429 }, stream: true, outcome: 'upstream_refused' },
  { fault: { kind: 'status', status: 400 }, stream: true, outcome: 'upstream_refused' },
];

const REQUESTS = 'headgate_requests_total';
const ATTEMPTS = 'headgate_attempts_total';
const FIRST_TOKEN = 'headgate_first_token_seconds';

/** Makes time pass until the call is over, where only time ends it. */
async function ending(scene: Scene, over: Promise<unknown>): Promise<void> {
  let ended = false;
  void over.then(() => {
    ended = true;
  });
  await until('the provider has the call', () => scene.providers[0]!.requests.length > 0);
  await turns(200);
  if (!ended) scene.clock.advance(WAIT_MS);
  await over;
}

for (const { fault, stream, outcome, timeouts } of CASES) {
  const point = JSON.stringify(fault).replace(/[{}"]/g, '');
  test(`R38: ${point} in ${stream ? 'a stream' : 'a JSON answer'} counts once as ${outcome} and never as a success`, async () => {
    await using scene = await setScene({ targets: [{ faults: [fault] }], timeouts: timeouts ?? TIMEOUTS });
    const call = scene.call({ stream });
    await ending(scene, call.done);
    assert.equal((await scene.record()).outcome, outcome);
    for (const metric of [REQUESTS, ATTEMPTS]) {
      assert.equal(await scene.metric(metric), 1);
      assert.equal(await scene.metric(metric, { outcome }), 1);
      assert.equal(await scene.metric(metric, { outcome: 'ok' }), 0);
    }
    const { status } = await call.done;
    assert.equal(await scene.metric(`${FIRST_TOKEN}_count`), status === 200 ? 1 : 0, 'an error is no first token');
  });
}

test('R38: a call that another target rescued is one success, and its failed attempt one error', async () => {
  await using scene = await setScene({ targets: [{ faults: [{ kind: 'cut', after: { events: 1 } }] }, {}] });
  await scene.call().done;
  await scene.ledger();
  assert.equal(await scene.metric(REQUESTS), 1);
  assert.equal(await scene.metric(REQUESTS, { outcome: 'ok' }), 1);
  assert.equal(await scene.metric(ATTEMPTS, { target: 'p1/m', outcome: 'truncated' }), 1);
  assert.equal(await scene.metric(ATTEMPTS, { target: 'p2/m', outcome: 'ok' }), 1);
});

test('R38: a caller that leaves, and one that is refused, are neither errors of the provider nor successes', async () => {
  await using scene = await setScene({
    targets: [{ faults: [{ kind: 'silent' }] }],
    limits: '[ { requests: 1/minute } ]',
  });
  const call = scene.call();
  await until('the provider has the call', () => scene.providers[0]!.requests.length === 1);
  call.abort();
  await scene.ledger();
  assert.equal((await scene.call().done).status, 429);
  await scene.ledger();
  assert.equal(await scene.metric(REQUESTS), 2);
  assert.equal(await scene.metric(REQUESTS, { outcome: 'client_closed' }), 1);
  assert.equal(await scene.metric(REQUESTS, { outcome: 'rejected_admit' }), 1);
  assert.equal(await scene.metric(ATTEMPTS), 1);
});

test('R38: nothing is counted before the last byte', async () => {
  await using scene = await setScene({
    targets: [{ faults: [{ kind: 'stall', after: { events: 4 } }] }],
    timeouts: TIMEOUTS,
  });
  const call = scene.call();
  await until('content is here', () => call.bytesReceived > 500);
  assert.equal(await scene.metric(REQUESTS), 0);
  scene.clock.advance(WAIT_MS);
  await call.done;
  await scene.ledger();
  assert.equal(await scene.metric(REQUESTS), 1);
});

test('R38: the time to the first token is to the first content at the caller, failed targets included, headers and role not', async () => {
  const slow: Behaviour = { ttftMs: 2000, paceMs: 1000, tokens: 3 };
  await using scene = await setScene({
    targets: [{ faults: [{ kind: 'silent' }] }, slow],
    timeouts: '{ headers: 20s }',
  });
  const call = scene.call();
  await until('the first target has the call', () => scene.providers[0]!.requests.length === 1);
  scene.clock.advance(20_000);
  await until(
    'the second one has sent its headers and its role',
    () => scene.providers[1]!.book.entries[0]?.status === 200,
  );
  for (let second = 0; second < 5; second++) {
    await turns();
    scene.clock.advance(1000);
  }
  await call.done;
  assert.equal((await scene.record()).firstTokenMs, 22_000);
  assert.equal(await scene.metric(`${FIRST_TOKEN}_sum`), 22);
});
