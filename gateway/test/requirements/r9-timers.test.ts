import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../src/call.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import type { Exchange } from '../fakes/http-client.ts';
import { startMuteServer } from '../fakes/mute-server.ts';
import { dataOf, type Scene, setScene } from '../fakes/scene.ts';
import { turns, until } from '../fakes/until.ts';

const SET_MS = 7000;

/** Waits until time is all that `call` waits for, then lets it pass up to its setting and no further. */
async function elapse(scene: Scene, call: Exchange, reached: () => boolean): Promise<void> {
  await until('the target has the call', reached);
  await turns();
  scene.clock.advance(SET_MS - 1);
  await turns();
  assert.equal(scene.gateway.running, 1, 'one millisecond early it still waits');
  const before = call.bytesReceived;
  await turns();
  assert.equal(call.bytesReceived, before);
  scene.clock.advance(1);
}

interface Silence {
  readonly timer: string;
  readonly outcome: Outcome;
  readonly behaviour: Behaviour;
  readonly stream: boolean;
  /** Whether the first target is where it has to be for its timer alone to run. */
  readonly reached: (scene: Scene) => boolean;
  readonly timeouts?: string;
}

const asked = ({ providers }: Scene) => providers[0]!.requests.length === 1;
const answering = ({ providers }: Scene) => providers[0]!.book.entries[0]?.status === 200;

const SILENCES: readonly Silence[] = [
  {
    timer: 'headers',
    outcome: 'timeout_headers',
    behaviour: { faults: [{ kind: 'silent' }] },
    stream: true,
    reached: asked,
  },
  {
    timer: 'headers',
    outcome: 'timeout_headers',
    behaviour: { faults: [{ kind: 'silent' }] },
    stream: false,
    reached: asked,
  },
  {
    timer: 'firstToken',
    outcome: 'timeout_first_token',
    behaviour: { faults: [{ kind: 'first-token', ms: 3_600_000 }] },
    stream: true,
    reached: answering,
  },
  {
    timer: 'firstToken',
    outcome: 'timeout_first_token',
    behaviour: { faults: [{ kind: 'silent' }] },
    stream: true,
    reached: asked,
  },
  {
    timer: 'idle',
    outcome: 'timeout_idle',
    behaviour: { faults: [{ kind: 'stall', after: { bytes: 200 } }] },
    stream: false,
    reached: answering,
  },
  {
    timer: 'total',
    outcome: 'timeout_total',
    behaviour: { faults: [{ kind: 'silent' }] },
    stream: true,
    reached: asked,
  },
  {
    timer: 'total',
    outcome: 'timeout_total',
    behaviour: { faults: [{ kind: 'silent' }] },
    stream: false,
    reached: asked,
  },
];

for (const { timer, outcome, behaviour, stream, reached } of SILENCES) {
  const kind = stream ? 'stream' : 'JSON answer';
  const why = behaviour.faults![0]!.kind;
  test(`R9: ${timer} fires at its setting on a ${kind} (${why}), and the next target answers in its place`, async () => {
    await using scene = await setScene({ targets: [behaviour, {}], timeouts: `{ ${timer}: ${SET_MS}ms }` });
    const call = scene.call({ stream });
    await elapse(scene, call, () => reached(scene));
    const received = await call.done;
    assert.equal(received.status, 200);
    assert.equal(received.headers['x-headgate-attempts'], '2');
    const record = await scene.record();
    assert.deepEqual(
      record.attempts.map((attempt) => [attempt.target, attempt.outcome, attempt.durationMs]),
      [
        ['p1/m', outcome, SET_MS],
        ['p2/m', 'ok', 0],
      ],
    );
    assert.equal(scene.providers[0]!.book.totals.requests, 1, 'a silent route is not tried again');
    await until('the silent connection is closed', () => scene.providers[0]!.book.totals.aborted === 1);
    await scene.settled();
  });

  test(`R9: ${timer} on the only target (${why}, ${kind}) is a 504 that frees the slot`, async () => {
    await using scene = await setScene({
      targets: [behaviour],
      timeouts: `{ ${timer}: ${SET_MS}ms }`,
      limits: '[ { concurrency: 1 } ]',
    });
    const call = scene.call({ stream });
    await elapse(scene, call, () => reached(scene));
    const received = await call.done;
    assert.equal(received.status, 504);
    assert.equal((JSON.parse(received.text) as { error: { code: string } }).error.code, outcome);
    assert.equal(scene.providers[0]!.book.totals.requests, 1);
    await scene.settled();
    assert.equal((await scene.limits())[0]!.remaining, 1);
  });
}

test('R9: connect fires at its setting, and the next target answers in its place', async () => {
  await using mute = await startMuteServer();
  await using scene = await setScene({ targets: [mute.url, {}], timeouts: `{ connect: ${SET_MS}ms }` });
  const call = scene.call();
  await elapse(scene, call, () => mute.connections === 1);
  assert.equal((await call.done).status, 200);
  const record = await scene.record();
  assert.deepEqual(
    record.attempts.map((attempt) => [attempt.outcome, attempt.durationMs, attempt.status]),
    [
      ['timeout_connect', SET_MS, null],
      ['ok', 0, 200],
    ],
  );
  await until('the connection is given up', () => mute.connections === 0);
  await scene.settled();
});

test('R9: idle fires in the middle of a stream: an error frame, and no other target is asked', async () => {
  await using scene = await setScene({
    targets: [{ faults: [{ kind: 'stall', after: { events: 4 } }] }, {}],
    timeouts: `{ idle: ${SET_MS}ms }`,
  });
  const call = scene.call();
  await elapse(scene, call, () => call.bytesReceived > 500);
  const { text } = await call.done;
  assert.match(JSON.stringify(dataOf(text).at(-1)), /"code":"timeout_idle"/);
  const record = await scene.record();
  assert.deepEqual([record.outcome, record.durationMs, record.attempts.length], ['timeout_idle', SET_MS, 1]);
  assert.equal(scene.providers[1]!.book.totals.requests, 0);
  await scene.settled();
});

test('R9: idle starts anew with every piece; total ends a stream however busy it is', async () => {
  const PACE_MS = 1000;
  await using scene = await setScene({
    targets: [{ tokens: 100, ttftMs: PACE_MS, paceMs: PACE_MS }],
    timeouts: `{ idle: ${PACE_MS + 1}ms, total: ${SET_MS}ms }`,
  });
  const call = scene.call();
  await until('the provider has begun', () => answering(scene));
  for (let second = 1; second < SET_MS / PACE_MS; second++) {
    await turns();
    scene.clock.advance(PACE_MS);
    await until('the token of this second is here', () => call.bytesReceived > second * 150);
  }
  await turns();
  scene.clock.advance(PACE_MS);
  const { text } = await call.done;
  assert.match(JSON.stringify(dataOf(text).at(-1)), /"code":"timeout_total"/);
  assert.deepEqual([(await scene.record()).outcome, (await scene.record()).durationMs], ['timeout_total', SET_MS]);
  await scene.settled();
});

test('R9: when every target is silent each is asked once, and the last timeout is what the caller is told', async () => {
  const silent: Behaviour = { faults: [{ kind: 'silent' }] };
  await using scene = await setScene({ targets: [silent, silent, silent], timeouts: `{ headers: ${SET_MS}ms }` });
  const call = scene.call();
  for (const provider of scene.providers) {
    await until('its turn', () => provider.requests.length === 1);
    scene.clock.advance(SET_MS);
  }
  assert.equal((await call.done).status, 504);
  assert.deepEqual(
    scene.providers.map((provider) => provider.book.totals.requests),
    [1, 1, 1],
  );
  assert.equal((await scene.record()).durationMs, 3 * SET_MS);
  await scene.settled();
});
