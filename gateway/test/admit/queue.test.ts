/** `onExceed: queue`: calls over a limit wait for it, in order, for a bounded time, and hold nothing while they do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asked, nothingIsLeft, startScene, words } from '../fakes/held-back.ts';
import { type Scene, setScene } from '../fakes/scene.ts';
import { errorOf } from '../fakes/stand.ts';
import { turns, until } from '../fakes/until.ts';

const NEVER = 3_600_000;

/** Sends a call that has to wait, and waits until it does. */
async function wait(scene: Scene, text: string) {
  const before = scene.gateway.waiting;
  const call = scene.call(words(text));
  await until('it waits', () => scene.gateway.waiting === before + 1);
  return call;
}

test('a call over a limit that queues is held back until it passes, and its answer says for how long', async () => {
  const { scene } = await startScene('[ { requests: 1/10s, onExceed: queue, maxWait: 10s } ]');
  await using _ = scene;
  await scene.call(words('first')).done;
  scene.clock.advance(2500);
  const second = await wait(scene, 'second');
  scene.clock.advance(7499);
  assert.deepEqual(asked(scene), ['first']);
  scene.clock.advance(1);
  const { status, headers } = await second.done;
  assert.equal(status, 200);
  assert.equal(headers['x-headgate-queue-ms'], '7500');
  assert.equal((await scene.ledger())[0]!.queueMs, 7500);
  await nothingIsLeft(scene);
});

test('calls that wait pass in the order in which they came, and none overtakes', async () => {
  const { scene } = await startScene('[ { requests: 2/10s, onExceed: queue, maxWait: 60s } ]');
  await using _ = scene;
  for (const text of ['a', 'b']) await scene.call(words(text)).done;
  const calls = [];
  for (const text of ['c', 'd', 'e', 'f', 'g']) calls.push(await wait(scene, text));
  scene.clock.advance(10_000);
  await Promise.all([calls[0]!.done, calls[1]!.done]);
  assert.deepEqual(asked(scene), ['a', 'b', 'c', 'd']);
  // One that comes now waits behind those that wait already.
  calls.push(await wait(scene, 'h'));
  scene.clock.advance(10_000);
  await Promise.all([calls[2]!.done, calls[3]!.done]);
  scene.clock.advance(10_000);
  await Promise.all(calls.map(({ done }) => done));
  assert.deepEqual(asked(scene), ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
  await nothingIsLeft(scene);
});

test('a call that would have to wait longer than it may is refused at once, with the true wait', async () => {
  const { scene } = await startScene('[ { requests: 1/10s, onExceed: queue, maxWait: 5s } ]');
  await using _ = scene;
  await scene.call(words('first')).done;
  const refused = await scene.call(words('second')).done;
  assert.equal(refused.status, 429);
  assert.equal(refused.headers['retry-after-ms'], '10000');
  assert.equal(refused.headers['x-headgate-queue-ms'], '0');
  await scene.settled();
});

test('what waits for a place that nobody gives back is refused when its time is over, and says how long it waited', async () => {
  const { scene, provider } = await startScene('[ { concurrency: 1, onExceed: queue, maxWait: 3s } ]', NEVER);
  await using _ = scene;
  const running = scene.call(words('first'));
  await until('it runs', () => provider.requests.length === 1);
  const call = await wait(scene, 'second');
  // It looks again from time to time, and has to get its turn to do so.
  for (let waited = 0; waited < 2900; waited += 100) {
    scene.clock.advance(100);
    await turns(1);
  }
  scene.clock.advance(99);
  await turns();
  assert.equal(scene.gateway.waiting, 1);
  scene.clock.advance(1);
  const refused = await call.done;
  assert.equal(refused.status, 429);
  assert.equal(errorOf(refused).code, 'concurrency_exceeded');
  assert.equal(refused.headers['x-headgate-queue-ms'], '3000');
  running.abort();
  const second = (await scene.ledger()).find(({ code }) => code === 'concurrency_exceeded');
  assert.deepEqual([second!.queueMs, second!.admitted, second!.attempts], [3000, false, []]);
  await nothingIsLeft(scene);
});

test('a place that another call gives back goes to the head of the line at once', async () => {
  const { scene, answer, provider } = await startScene('[ { concurrency: 1, onExceed: queue, maxWait: 3s } ]', 1000);
  await using _ = scene;
  const calls = [scene.call(words('a'))];
  await until('it runs', () => provider.requests.length === 1);
  for (const text of ['b', 'c', 'd']) calls.push(await wait(scene, text));
  for (let running = 1; running <= calls.length; running++) {
    await until('the next one runs', () => provider.requests.length === running);
    answer();
    assert.equal((await calls[running - 1]!.done).status, 200);
  }
  // The gateway's clock has not moved: nobody had to look again.
  assert.deepEqual(asked(scene), ['a', 'b', 'c', 'd']);
  assert.equal((await scene.ledger())[0]!.queueMs, 0);
  await scene.settled();
});

test('tokens that another call gives back let the head of the line pass at once', async () => {
  const { scene, answer, provider } = await startScene(
    '[ { outputTokens: 100/minute, onExceed: queue, maxWait: 60s } ]',
    1000,
  );
  await using _ = scene;
  const body = { max_tokens: 60 };
  const first = scene.call({ stream: false, body });
  await until('it runs', () => provider.requests.length === 1);
  const second = scene.call({ stream: false, body });
  await until('it waits', () => scene.gateway.waiting === 1);
  answer();
  assert.equal((await first.done).status, 200);
  await until('the second one runs', () => provider.requests.length === 2);
  answer();
  assert.equal((await second.done).status, 200);
  await scene.settled();
});

test('R4: a caller that leaves while it waits leaves nothing behind, and no provider hears of it', async () => {
  const { scene } = await startScene('[ { requests: 1/10s, onExceed: queue, maxWait: 10s } ]');
  await using _ = scene;
  await scene.call(words('first')).done;
  const calls = [];
  for (const text of ['head', 'middle', 'last']) calls.push(await wait(scene, text));
  calls[1]!.abort();
  await until('the middle one is gone', () => scene.gateway.waiting === 2);
  calls[0]!.abort();
  await until('the head is gone', () => scene.gateway.waiting === 1);
  scene.clock.advance(10_000);
  assert.equal((await calls[2]!.done).status, 200);
  assert.deepEqual(asked(scene), ['first', 'last']);
  const left = (await scene.ledger()).filter(({ outcome }) => outcome === 'client_closed');
  assert.deepEqual(
    left.map(({ admitted, status, attempts }) => [admitted, status, attempts.length]),
    [
      [false, 499, 0],
      [false, 499, 0],
    ],
  );
  await nothingIsLeft(scene);
});

test('at most 256 wait in one line: one more is refused at once', async () => {
  const { scene } = await startScene('[ { requests: 1/10s, onExceed: queue, maxWait: 60s } ]');
  await using _ = scene;
  await scene.call(words('first')).done;
  const calls = Array.from({ length: 256 }, () => scene.call(words('waits')));
  await until('all wait', () => scene.gateway.waiting === 256);
  const refused = await scene.call(words('too many')).done;
  assert.equal(refused.status, 429);
  for (const call of calls) call.abort();
  await until('all are gone', () => scene.gateway.running === 0);
  assert.deepEqual(asked(scene), ['first']);
  await nothingIsLeft(scene);
});

test('R39: a gateway that shuts down lets calls wait for as long as it drains, and then tells them so', async () => {
  const scene = await setScene({
    limits: '[ { requests: 1/10s, onExceed: queue, maxWait: 60s } ]',
    listen: 'drain: 15s',
  });
  await using _ = scene;
  await scene.call(words('first')).done;
  const calls = [await wait(scene, 'passes'), await wait(scene, 'does not')];
  const stopped = scene.gateway.stop();
  scene.clock.advance(10_000);
  assert.equal((await calls[0]!.done).status, 200);
  scene.clock.advance(5000);
  const refused = await calls[1]!.done;
  assert.equal(refused.status, 503);
  assert.equal(errorOf(refused).code, 'draining');
  await stopped;
  assert.deepEqual(asked(scene), ['first', 'passes']);
});

test('a call that is over a limit that refuses does not wait for one that queues', async () => {
  const { scene } = await startScene('[ { requests: 1/10s, onExceed: queue, maxWait: 10s }, { requests: 1/9s } ]');
  await using _ = scene;
  await scene.call(words('first')).done;
  assert.equal((await scene.call(words('second')).done).status, 429);
});
