import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Limit } from '../../src/policy/limit.ts';
import { MemoryLimitStore } from '../../src/stores/memory/index.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';
import { amounts, bind, demand, limitOf } from '../policy/limits.ts';
import { limitStoreConformance } from './limit-store.ts';

const MINUTE = 60_000;
const perMinute = (amount: number, over: Partial<Limit> = {}) =>
  bind(limitOf(amount, { kind: 'slidingWindow', windowMs: MINUTE }, over));

limitStoreConformance(
  'memory',
  () => {
    const clock = new VirtualClock();
    return {
      store: new MemoryLimitStore(clock),
      now: () => clock.now(),
      advance: (ms) => clock.advance(ms),
      step: (ms) => clock.step(ms),
    };
  },
  400,
);

test('memory: subjects whose use no longer counts are forgotten, so that memory follows the live ones', () => {
  const clock = new VirtualClock();
  const store = new MemoryLimitStore(clock);
  const limit = limitOf(10, { kind: 'slidingWindow', windowMs: 1000 });
  let requests = 0;
  const request = (subject: number) => {
    const id = `r${requests++}`;
    store.reserve(id, [bind(limit, `key-${subject}`)], demand(1));
    store.settle(id, amounts(1));
  };
  for (let subject = 0; subject < 10_000; subject++) {
    request(subject);
    clock.advance(1);
    assert.ok(store.counters < 3000, `${store.counters} counters for 1000 live subjects`);
  }
  clock.advance(1000);
  for (let repeat = 0; repeat < 12_000; repeat++) request(0);
  assert.equal(store.counters, 1);
});

test('memory: a subject with a request in flight is remembered until it settles', () => {
  const clock = new VirtualClock();
  const store = new MemoryLimitStore(clock);
  const bucket = limitOf(10, { kind: 'tokenBucket', windowMs: 1000, burst: 10 });
  store.reserve('long', [bind(bucket, 'slow')], demand(1));
  clock.advance(5000);
  for (let repeat = 0; repeat < 100; repeat++) store.reserve(`r${repeat}`, [bind(bucket, 'other')], demand(0));
  store.settle('long', amounts(15));
  assert.equal(
    store.read([bind(bucket, 'slow')])[0]?.used,
    14,
    'the 1 reserved is long paid, the 14 beyond it are owed',
  );
});

test('memory: reading subjects that never used anything keeps nothing', () => {
  const store = new MemoryLimitStore(new VirtualClock());
  const limit = limitOf(10, { kind: 'slidingWindow', windowMs: 1000 });
  for (let subject = 0; subject < 100; subject++) store.read([bind(limit, `key-${subject}`)]);
  assert.equal(store.counters, 0);
});

test('memory: a limit that a reload makes another kind keeps what was used and what is in flight', () => {
  const clock = new VirtualClock();
  const store = new MemoryLimitStore(clock);
  const bucket = bind(limitOf(20, { kind: 'tokenBucket', windowMs: MINUTE, burst: 20 }));
  store.reserve('r1', [perMinute(20)], demand(5));
  store.settle('r1', amounts(4));
  store.reserve('r2', [perMinute(20)], demand(6));
  const [state] = store.read([bucket]);
  assert.deepEqual([state?.used, state?.reserved, state?.remaining], [4, 6, 10]);
  assert.ok(store.settle('r2', amounts(1)));
  assert.equal(store.read([bucket])[0]?.remaining, 15);
});

test('memory: a limit that a reload puts on another dimension starts anew with what is in flight', () => {
  const clock = new VirtualClock();
  const store = new MemoryLimitStore(clock);
  store.reserve('r1', [perMinute(50)], demand(30));
  store.settle('r1', amounts(30));
  store.reserve('r2', [perMinute(50)], demand(6));
  const [state] = store.read([perMinute(5, { dimension: 'requests' })]);
  assert.deepEqual([state?.used, state?.reserved, state?.remaining], [0, 1, 4]);
});
