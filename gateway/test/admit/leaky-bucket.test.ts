/** A leaky bucket shapes: what comes faster than it flows starts later, evenly spaced, and only so much may wait. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asked, nothingIsLeft, startScene, words } from '../fakes/held-back.ts';
import { type Scene, setScene } from '../fakes/scene.ts';
import { errorOf } from '../fakes/stand.ts';
import { turns, until } from '../fakes/until.ts';

/** Sends a call that the bucket admits, and waits until it is in there. */
async function fill(scene: Scene, text: string) {
  const { limits } = scene.gateway;
  const before = (await limits.held()) + 1;
  const call = scene.call(words(text));
  await until('it is admitted', () => limits.held() === before);
  return call;
}

test('calls at once start a second apart, and each says how long it was delayed', async () => {
  const { scene } = await startScene('[ { requests: 1/second, algorithm: leakyBucket, burst: 4 } ]');
  await using _ = scene;
  const first = await scene.call(words('a')).done;
  assert.equal(first.headers['x-headgate-queue-ms'], '0');
  const calls = [];
  for (const text of ['b', 'c', 'd']) calls.push(await fill(scene, text));
  for (const [nth, call] of calls.entries()) {
    scene.clock.advance(999);
    await turns();
    assert.equal(asked(scene).length, nth + 1);
    scene.clock.advance(1);
    const { status, headers } = await call.done;
    assert.deepEqual([status, headers['x-headgate-queue-ms']], [200, String(1000 * (nth + 1))]);
  }
  assert.deepEqual(asked(scene), ['a', 'b', 'c', 'd']);
  assert.deepEqual(
    (await scene.ledger()).map(({ queueMs }) => queueMs).toSorted((a, b) => a - b),
    [0, 1000, 2000, 3000],
  );
  await nothingIsLeft(scene);
});

test('what would have to wait longer than the bucket lets it is refused, with the time at which there is room', async () => {
  const { scene } = await startScene('[ { requests: 1/second, algorithm: leakyBucket, burst: 3 } ]');
  await using _ = scene;
  await scene.call(words('a')).done;
  const waiting = [await fill(scene, 'b'), await fill(scene, 'c')];
  scene.clock.advance(300);
  const refused = await scene.call(words('d')).done;
  assert.equal(refused.status, 429);
  assert.equal(errorOf(refused).code, 'rate_limit_exceeded');
  assert.equal(refused.headers['retry-after-ms'], '700');
  scene.clock.advance(700);
  await waiting[0]!.done;
  await until('it is settled', () => scene.gateway.running === 1);
  const next = await fill(scene, 'e');
  scene.clock.advance(2000);
  for (const call of [...waiting, next]) assert.equal((await call.done).status, 200);
  assert.deepEqual(asked(scene), ['a', 'b', 'c', 'e']);
});

test('R4: a caller that leaves during its delay gives back what it took, and no provider hears of it', async () => {
  const { scene } = await startScene(
    '[ { requests: 1/second, algorithm: leakyBucket, burst: 3 }, { tokens: 1k/minute }, { concurrency: 5 } ]',
  );
  await using _ = scene;
  await scene.call(words('a')).done;
  await scene.ledger();
  const before = await scene.limits();
  const call = await fill(scene, 'b');
  call.abort();
  await until('it is gone', () => scene.gateway.running === 0);
  assert.deepEqual(await scene.limits(), before);
  const record = (await scene.ledger()).find(({ outcome }) => outcome === 'client_closed');
  assert.deepEqual([record!.admitted, record!.attempts.length], [false, 0]);
  assert.deepEqual(asked(scene), ['a']);
  await scene.settled();
  await nothingIsLeft(scene);
});

test('R13: a call keeps what it reserved, and its place, through a delay that is longer than a lease', async () => {
  await using scene = await setScene({
    limits: '[ { requests: 1/minute, algorithm: leakyBucket, burst: 2 }, { tokens: 100k/hour }, { concurrency: 1 } ]',
    limitStore: '{ url: memory, lease: 2s }',
  });
  await scene.call(words('a')).done;
  await scene.ledger();
  const call = await fill(scene, 'b');
  for (let waited = 0; waited < 59_000; waited += 500) scene.clock.advance(500);
  assert.equal(await scene.gateway.limits.held(), 1);
  const refused = await scene.call(words('c')).done;
  assert.equal(errorOf(refused).headgate['limit'], 'pro.concurrency');
  scene.clock.advance(1000);
  assert.equal((await call.done).status, 200);
  const [, tokens] = await scene.limits();
  const records = await scene.ledger();
  const used = records.reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0);
  assert.equal(tokens!.used, used);
  await nothingIsLeft(scene);
});
