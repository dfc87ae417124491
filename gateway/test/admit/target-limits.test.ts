/** The limits of targets: whoever calls, an attempt is made where there is room, and what it took is given back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Behaviour } from '../../src/provider/answer.ts';
import { type CallOptions, type Scene, setScene } from '../fakes/scene.ts';
import { errorOf } from '../fakes/stand.ts';
import { turns, until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const HOUR = 3_600_000;

interface Setting {
  /** By target. */
  readonly limits: readonly string[];
  readonly behaviours?: readonly Behaviour[];
}

async function startScene({ limits, behaviours = limits.map(() => ({})) }: Setting) {
  const providerClock = new VirtualClock();
  const scene = await setScene({
    targets: behaviours,
    targetMembers: limits.map((limit) => `limits: [ ${limit} ]`),
    timeouts: '{ headers: 2s }',
    providerClock,
  });
  return { scene, providerClock };
}

const ask = (scene: Scene, options: CallOptions = {}) =>
  scene.call({ stream: false, ...options, body: { max_tokens: 10, ...options.body } }).done;

/** The state of the limits of each target. */
const states = async ({ gateway }: Scene) =>
  gateway.limits.read(gateway.config.current.models.get('m')!.targets.flatMap(({ limits }) => limits));

test('when a target is at its limit the next one serves, and when all are, 503 says when to come back', async () => {
  const { scene } = await startScene({ limits: ['{ requests: 2/minute }', '{ requests: 1/10s }'] });
  await using _ = scene;
  for (const target of ['p1/m', 'p1/m', 'p2/m']) {
    const { status, headers } = await ask(scene);
    assert.deepEqual([status, headers['x-headgate-target'], headers['x-headgate-attempts']], [200, target, '1']);
  }
  scene.clock.advance(4000);
  const refused = await ask(scene);
  assert.equal(refused.status, 503);
  assert.deepEqual([errorOf(refused).code, errorOf(refused).type], ['targets_at_limit', 'server_error']);
  assert.deepEqual([refused.headers['retry-after'], refused.headers['retry-after-ms']], ['6', '6000']);
  assert.equal(refused.headers['x-should-retry'], 'true');
  assert.equal(errorOf(refused).message, 'Every model server for this model is at its limit.');
  assert.equal(errorOf(refused).headgate['limit'], undefined, 'what providers allow is not the caller’s to know');
  const record = (await scene.ledger()).find(({ code }) => code !== null)!;
  assert.deepEqual(
    [record.code, record.limit, record.attempts.length],
    ['targets_at_limit', 'target:p2/m.requests-per-10s', 0],
  );
  assert.deepEqual([record.usage.source, record.admitted], ['none', true]);
  scene.clock.advance(5999);
  assert.equal((await ask(scene)).status, 503);
  scene.clock.advance(1);
  assert.equal((await ask(scene)).headers['x-headgate-target'], 'p2/m');
});

test('the limit of a target adds up the calls of everybody, and counts what attempts really used', async () => {
  const { scene } = await startScene({ limits: ['{ tokens: 10k/minute }, { cost: 1 USD/day }, { concurrency: 1 }'] });
  await using _ = scene;
  for (const stream of [false, true]) await ask(scene, { stream });
  const records = await scene.ledger();
  const [tokens, cost, slots] = await states(scene);
  assert.equal(
    tokens!.used,
    records.reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0),
  );
  assert.equal(
    cost!.used,
    records.reduce((sum, each) => sum + each.cost!, 0),
  );
  assert.deepEqual([tokens!.reserved, cost!.reserved, slots!.reserved], [0, 0, 0]);
  await scene.settled();
});

test('R13: an attempt that fails gives its place back before the next one is made, and counts as a request', async () => {
  const { scene } = await startScene({
    limits: ['{ concurrency: 1 }, { requests: 9/minute }, { tokens: 1k/minute }', '{ concurrency: 1 }'],
    behaviours: [{ faults: [{ kind: 'status', status: 500 }] }, { faults: [{ kind: 'delay', ms: HOUR }] }],
  });
  await using _ = scene;
  const call = scene.call({ stream: false });
  await until('the second one is asked', () => scene.providers[1]!.requests.length === 1);
  const [slots, requests, tokens, other] = await states(scene);
  assert.deepEqual([slots!.reserved, requests!.used, tokens!.used, tokens!.reserved, other!.reserved], [0, 1, 0, 0, 1]);
  call.abort();
  await scene.ledger();
  assert.equal((await states(scene))[3]!.reserved, 0);
  await scene.settled();
});

for (const { what, call, behaviour, end } of [
  {
    what: 'a caller that leaves before the answer',
    call: { stream: false },
    behaviour: { faults: [{ kind: 'silent' as const }] },
    end: (_: Scene, abort: () => void) => abort(),
  },
  {
    what: 'a caller that leaves in the middle of a stream',
    call: { stream: true },
    behaviour: { faults: [{ kind: 'stall' as const, after: { events: 4 } }] },
    end: (_: Scene, abort: () => void) => abort(),
  },
  {
    what: 'a provider that does not answer in time',
    call: { stream: true },
    behaviour: { faults: [{ kind: 'silent' as const }] },
    end: ({ clock }: Scene) => clock.advance(2000),
  },
]) {
  test(`R13: the place at a target is given back by ${what}`, async () => {
    const { scene } = await startScene({ limits: ['{ concurrency: 1 }'], behaviours: [behaviour] });
    await using _ = scene;
    const sent = scene.call(call);
    await until('the provider is asked', () => scene.providers[0]!.requests.length === 1);
    assert.equal((await states(scene))[0]!.reserved, 1);
    const refused = await ask(scene);
    assert.deepEqual(
      [refused.status, errorOf(refused).code, refused.headers['retry-after']],
      [503, 'targets_at_limit', '1'],
    );
    end(scene, () => sent.abort());
    await scene.ledger();
    assert.equal((await states(scene))[0]!.reserved, 0);
    assert.equal(await scene.gateway.limits.held(), 0);
  });
}

test('a leaky bucket at a target spaces what reaches it, and who leaves meanwhile gives its turn back', async () => {
  const { scene } = await startScene({ limits: ['{ requests: 1/second, algorithm: leakyBucket, burst: 3 }'] });
  await using _ = scene;
  const [provider] = scene.providers;
  assert.equal((await ask(scene)).status, 200);
  await scene.ledger();
  const leaving = scene.call({ stream: false });
  // One reservation of the call, one of its attempt.
  await until('it is held back', () => scene.gateway.limits.held() === 2);
  leaving.abort();
  await until('it is gone', () => scene.gateway.running === 0);
  assert.equal(scene.gateway.limits.held(), 0);

  const waiting = scene.call({ stream: false });
  await until('it is held back', () => scene.gateway.limits.held() === 2);
  scene.clock.advance(999);
  await turns();
  assert.equal(provider!.requests.length, 1);
  scene.clock.advance(1);
  assert.equal((await waiting.done).status, 200);
  await scene.settled();
});
