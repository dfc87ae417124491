/** `onExceed: degrade`: a call over a limit is served by another model, says so, and counts as what it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestRecord } from '../../src/call.ts';
import { inputOf, outputOf } from '../../src/policy/usage.ts';
import { snapshotFrom } from '../fakes/config.ts';
import { plainConfig } from '../fakes/gateway.ts';
import type { Received } from '../fakes/http-client.ts';
import { type Scene, type SceneOptions, setScene } from '../fakes/scene.ts';
import { errorOf } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

/** `m` costs ten times as much as `small`, and `small` is degraded to `tiny`. */
function startScene(limits: string, small = '', more: SceneOptions = {}) {
  return setScene({
    ...more,
    limits,
    price: '{ input: 10, output: 20 }',
    model: 'degradeTo: small',
    models: [
      `small: { degradeTo: tiny, targets: [ { provider: p1, model: small, price: { input: 1, output: 2 } } ]${small} }`,
      'tiny: { targets: [ { provider: p1, model: tiny, price: { input: 1, output: 2 } } ] }',
    ],
  });
}

const call = (scene: Scene, body: object = {}) => scene.call({ stream: false, body: { max_tokens: 10, ...body } }).done;

const headersOf = ({ status, headers }: Received) => [
  status,
  headers['x-headgate-model'],
  headers['x-headgate-degraded'],
  headers['x-headgate-target'],
];

/** The names that the provider was asked for, in order. */
const models = (scene: Scene) =>
  scene.providers[0]!.requests.map(({ body }) => (JSON.parse(body.toString()) as { model: string }).model);

const newest = (records: readonly RequestRecord[], model: string) => records.find((record) => record.model === model)!;

test('a call over the limit goes to the model that stands in, under its name at the provider, and the answer says so', async () => {
  await using scene = await startScene('[ { requests: 1/hour, models: [m, small], onExceed: degrade } ]');
  assert.deepEqual(headersOf(await call(scene)), [200, 'm', undefined, 'p1/m']);
  for (const stream of [false, true]) {
    const received = await scene.call({ stream, body: { max_tokens: 10 } }).done;
    assert.deepEqual(headersOf(received), [200, 'small', 'm', 'p1/small']);
  }
  assert.deepEqual(models(scene), ['m', 'small', 'small']);
  const { model, degradedFrom, limit, reported, code } = newest(await scene.ledger(), 'small');
  assert.deepEqual([model, degradedFrom, limit, reported, code], ['small', 'm', null, [], null]);
});

test('what a degraded call uses counts against the limit that sent it away, at the price of the model that served it', async () => {
  await using scene = await startScene(
    '[ { requests: 1/hour, models: [m, small], onExceed: degrade }, { cost: 1 USD/day, models: [m, small], onExceed: degrade }, { tokens: 1M/day } ]',
  );
  await call(scene);
  await call(scene);
  const records = await scene.ledger();
  for (const [model, price] of [
    ['m', 10_000],
    ['small', 1000],
  ] as const) {
    const { usage, cost } = newest(records, model);
    assert.equal(cost, inputOf(usage) * price + outputOf(usage) * price * 2);
  }
  const [requests, spent] = await scene.limits();
  assert.equal(requests!.used, 2);
  assert.equal(spent!.used, newest(records, 'm').cost! + newest(records, 'small').cost!);
  await scene.settled();
});

test('a limit on the dear model alone sends calls away and does not count them', async () => {
  await using scene = await startScene(
    '[ { requests: 1/hour, models: [m], onExceed: degrade }, { requests: 3/hour, models: ["s*"] } ]',
  );
  for (const expected of ['m', 'small', 'small', 'small']) {
    assert.equal((await call(scene)).headers['x-headgate-model'], expected);
  }
  const [dear, cheap] = await scene.limits();
  assert.deepEqual([dear!.used, cheap!.used], [1, 3]);
  const refused = await call(scene);
  assert.equal(refused.status, 429);
  assert.equal(errorOf(refused).headgate['limit'], 'pro.requests-per-hour-2', "the stand-in's own limits bind");
  assert.equal(refused.headers['x-headgate-attempts'], undefined);
});

test('a budget with too little left, or too small for the call in any month, degrades; what fits no model is refused', async () => {
  await using scene = await startScene(
    '[ { cost: 0.001 USD/day, models: [m], onExceed: degrade }, { tokens: 150/minute } ]',
  );
  for (const [max_tokens, served] of [
    [20, 'm'],
    // 0.0011 dollars at the worst for the dear model, and more than is left.
    [30, 'small'],
    [60, 'small'],
  ] as const) {
    const received = await call(scene, { max_tokens });
    assert.deepEqual([received.status, received.headers['x-headgate-model']], [200, served]);
  }
  const refused = await call(scene, { max_tokens: 200 });
  assert.equal(refused.status, 400);
  assert.equal(errorOf(refused).headgate['limit'], 'pro.tokens-per-minute');
});

test('the chain stops after one step: who stands in is not degraded again', async () => {
  await using scene = await startScene(
    '[ { requests: 1/hour, models: [m, small], onExceed: degrade } ]',
    ', limits: [ { requests: 1/hour } ]',
  );
  await call(scene);
  assert.equal((await call(scene)).headers['x-headgate-model'], 'small');
  const refused = await call(scene);
  assert.equal(refused.status, 429);
  const { headgate, message } = errorOf(refused);
  assert.deepEqual([headgate['limit'], headgate['per']], ['model:small.requests-per-hour', 'model']);
  assert.match(message, /for model 'small'/);
  assert.deepEqual(models(scene), ['m', 'small']);
});

test('a limit that refuses outright wins over one that degrades', async () => {
  await using scene = await startScene(
    '[ { requests: 1/hour, models: [m, small], onExceed: degrade }, { requests: 1/minute } ]',
  );
  await call(scene);
  assert.equal((await call(scene)).status, 429);
  assert.deepEqual(models(scene), ['m']);
});

test('a cap of the model that stands in lowers the call, as it does for those who ask for it', async () => {
  await using scene = await startScene(
    '[ { requests: 1/hour, models: [m, small], onExceed: degrade } ]',
    ', maxOutputTokens: 4',
  );
  await call(scene);
  await call(scene);
  const [, degraded] = scene.providers[0]!.requests;
  assert.equal((JSON.parse(degraded!.body.toString()) as { max_tokens: number }).max_tokens, 4);
  assert.equal(outputOf(newest(await scene.ledger(), 'small').usage), 4);
});

test('a limit that degrades where no model stands in is a mistake that check names', () => {
  const limits = '[ { requests: 1/hour, onExceed: degrade } ]';
  assert.throws(
    () => snapshotFrom(plainConfig({ providers: ['http://127.0.0.1:1'], limits })),
    /there is no degradeTo at model m; write one, or models without it/,
  );
});

test('a call that waited for one limit and meets another that degrades goes to the model that stands in', async () => {
  const providerClock = new VirtualClock();
  await using scene = await startScene(
    '[ { concurrency: 1, models: [m], onExceed: queue, maxWait: 5s }, { requests: 2/hour, models: [m], onExceed: degrade } ]',
    '',
    { providerClock, targets: [{ faults: [{ kind: 'delay', ms: 1000 }] }] },
  );
  const seen = (count: number) => until(`${count} are asked`, () => scene.providers[0]!.requests.length === count);
  const calls = [call(scene)];
  await seen(1);
  for (const waiting of [1, 2]) {
    calls.push(call(scene));
    await until('it is in line', () => scene.gateway.waiting === waiting);
  }
  for (const count of [1, 2, 3]) {
    await seen(count);
    providerClock.advance(1000);
    await calls[count - 1];
  }
  const [, second, third] = await Promise.all(calls);
  assert.deepEqual(headersOf(second!), [200, 'm', undefined, 'p1/m']);
  assert.deepEqual(headersOf(third!), [200, 'small', 'm', 'p1/small']);
});
