import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import type { ServedRequest, SimulatedProvider } from '../../src/provider/server.ts';
import { startMuteServer } from '../fakes/mute-server.ts';
import { type CallOptions, type Scene, setScene } from '../fakes/scene.ts';
import { until } from '../fakes/until.ts';

const WITHIN_MS = 500;
const NEVER_MS = 3_600_000;

interface Phase {
  readonly name: string;
  readonly targets: readonly Behaviour[];
  readonly call?: CallOptions;
  /** When the caller leaves. */
  readonly reached: (served: ServedRequest, bytes: number) => boolean;
}

const answering = ({ entry }: ServedRequest) => entry.status === 200;

const PHASES: readonly Phase[] = [
  {
    name: 'a stream waits for its headers',
    targets: [{ faults: [{ kind: 'silent' }] }],
    reached: () => true,
  },
  {
    name: 'a JSON answer waits for its headers',
    targets: [{ faults: [{ kind: 'delay', ms: NEVER_MS }] }],
    call: { stream: false },
    reached: () => true,
  },
  {
    name: 'a stream waits for its first token',
    targets: [{ faults: [{ kind: 'first-token', ms: NEVER_MS }] }],
    reached: answering,
  },
  {
    name: 'a stream is under way',
    targets: [{ faults: [{ kind: 'stall', after: { events: 5 } }] }],
    reached: (_, bytes) => bytes > 500,
  },
  {
    name: 'a JSON answer is under way',
    targets: [{ faults: [{ kind: 'stall', after: { bytes: 200 } }] }],
    call: { stream: false },
    reached: answering,
  },
  {
    name: 'the fallback waits for its headers',
    targets: [{ faults: [{ kind: 'status', status: 500 }] }, { faults: [{ kind: 'silent' }] }],
    reached: () => true,
  },
  {
    name: 'the fallback waits for its first token',
    targets: [
      { faults: [{ kind: 'reset', after: { events: 1 } }] },
      { faults: [{ kind: 'first-token', ms: NEVER_MS }] },
      {},
    ],
    reached: answering,
  },
];

/** The provider whose turn it is last is the one that is abandoned; a target behind it must hear nothing. */
const busyOf = ({ providers }: Scene, phase: Phase): SimulatedProvider =>
  providers[Math.min(1, phase.targets.length - 1)]!;

for (const phase of PHASES) {
  test(`R4: when the caller leaves while ${phase.name}, the provider's connection closes within ${WITHIN_MS} ms`, async () => {
    // The gateway's clock stands still: nothing but the caller's leaving can close the connection.
    await using scene = await setScene({
      targets: phase.targets,
      limits: '[ { concurrency: 1 } ]',
      providerClock: systemClock,
    });
    const busy = busyOf(scene, phase);
    const call = scene.call(phase.call);
    await until(phase.name, () => busy.requests.length === 1 && phase.reached(busy.requests[0]!, call.bytesReceived));
    assert.equal((await scene.limits())[0]!.reserved, 1);
    const leftAt = systemClock.monotonic();
    call.abort();
    const { entry } = busy.requests[0]!;
    await until('the provider notices', () => entry.state !== 'open');
    assert.equal(entry.state, 'aborted');
    assert.ok(entry.endedAt! - leftAt <= WITHIN_MS, `${entry.endedAt! - leftAt} ms`);
    await scene.settled();
    await until('the socket is gone', () => busy.connections === 0);
    const record = await scene.record();
    assert.equal(record.outcome, 'client_closed');
    assert.equal(record.attempts.length, Math.min(2, phase.targets.length), 'no other attempt is started');
    assert.equal((await scene.limits())[0]!.reserved, 0, 'the slot is free');
  });
}

test(`R4: when the caller leaves while the connection is being made, it is given up within ${WITHIN_MS} ms`, async () => {
  await using mute = await startMuteServer();
  await using scene = await setScene({ targets: [mute.url, {}] });
  const call = scene.call();
  await until('the connection is being made', () => mute.connections === 1);
  const leftAt = systemClock.monotonic();
  call.abort();
  await until('it is given up', () => mute.connections === 0);
  assert.ok(systemClock.monotonic() - leftAt <= WITHIN_MS);
  assert.equal(scene.providers[0]!.book.totals.requests, 0, 'no other attempt is started');
  await scene.settled();
  assert.deepEqual([(await scene.record()).outcome, (await scene.record()).cost], ['client_closed', 0]);
});

test('R4: after 1,000 aborts no socket, slot or reservation is left, and the next call is served', async () => {
  const CALLS = 1000;
  const TOGETHER = 50;
  await using scene = await setScene({
    targets: [{ faults: [{ kind: 'stall', after: { events: 4 } }] }],
    limits: `[ { concurrency: ${TOGETHER} } ]`,
    providerClock: systemClock,
  });
  const provider = scene.providers[0]!;
  for (let round = 0; round < CALLS / TOGETHER; round++) {
    const calls = Array.from({ length: TOGETHER }, (_, index) => scene.call({ stream: index % 2 === 0 }));
    await until('all are with the provider', () => provider.requests.length === (round + 1) * TOGETHER);
    for (const call of calls) call.abort();
    await until('all are over', () => scene.gateway.running === 0);
  }
  await scene.settled();
  await until('every socket is closed', () => provider.connections === 0);
  assert.deepEqual([provider.book.totals.requests, provider.book.totals.open], [CALLS, 0]);
  assert.equal((await scene.ledger()).length, CALLS);
  const next = scene.call();
  await until('the next call is served', () => next.bytesReceived > 0);
});
