/** Redis limit stores under a virtual clock, for the suites that drive every store. */
import { after } from 'node:test';
import { systemRandom } from '../../src/clock.ts';
import type { BoundLimit } from '../../src/policy/limit.ts';
import type { LockingStore } from '../../src/stores/limit-store.ts';
import type { RedisAddress } from '../../src/stores/redis/connection.ts';
import { RedisLimitStore, type RedisOptions } from '../../src/stores/redis/index.ts';
import type { Harness } from '../conformance/limit-store-model.ts';
import { bind, limitOf } from '../policy/limits.ts';
import type { RedisServer } from './redis-server.ts';
import { VirtualClock } from './virtual-clock.ts';

/** What a suite runs against: where to connect, and what to empty before each run. */
export interface Servers {
  readonly address: RedisAddress;
  readonly masters: readonly RedisServer[];
}

/** Machines are slow when every core is busy, and none of these tests is about that. */
const PATIENT_MS = 10_000;

/**
 * Opens an empty store each time. Starts the servers for the first one, and ends them and every store after the last test of
 * the file.
 */
export function redisHarness(
  start: () => Promise<Servers & AsyncDisposable>,
  wrap: (store: RedisLimitStore) => LockingStore = (store) => store,
  over: Partial<RedisOptions> = {},
): () => Promise<Harness & { readonly clock: VirtualClock; readonly redis: RedisLimitStore }> {
  let starting: Promise<Servers & AsyncDisposable> | null = null;
  let latest: RedisLimitStore | null = null;
  after(async () => {
    await latest?.close();
    await (await starting)?.[Symbol.asyncDispose]();
  });
  return async () => {
    starting ??= start();
    const { address, masters } = await starting;
    await latest?.close();
    for (const master of masters) master.cli('flushall');
    const clock = new VirtualClock();
    const redis = new RedisLimitStore(address, {
      clock,
      random: systemRandom,
      process: 'test',
      time: 'clock',
      timeoutMs: PATIENT_MS,
      ...over,
    });
    latest = redis;
    await redis.open();
    const store = wrap(redis);
    // A shard knows the time from its first use on; the suite, from here on.
    await store.read(
      ['limit-0', 'limit-1', 'limit-2'].map((id) => bind(limitOf(1, { kind: 'slidingWindow', windowMs: 1 }, { id }))),
    );
    return {
      store,
      redis,
      clock,
      now: () => clock.now(),
      advance: async (ms) => {
        clock.advance(ms);
        await redis.sweep();
      },
      step: (ms) => clock.step(ms),
    };
  };
}

/** The store with every limit in a shard of its own. */
export function scattered(store: LockingStore): LockingStore {
  const scatter = (limits: readonly BoundLimit[]) => {
    return limits.map((bound) => ({ ...bound, shard: `model:${bound.limit.id}` }));
  };
  return {
    reserve: (id, limits, demand) => store.reserve(id, scatter(limits), demand),
    extend: (id, step, more) => store.extend(id, step, more),
    settle: (id, actual) => store.settle(id, actual),
    charge: (id, limits, actual) => store.charge(id, scatter(limits), actual),
    renew: (ids) => store.renew(ids),
    read: (limits, demand) => store.read(scatter(limits), demand),
    held: () => store.held(),
    close: () => store.close(),
    lock: (id, limits, wanted, needed) => store.lock(id, scatter(limits), wanted, needed),
    unlock: (id, used) => store.unlock(id, used),
  };
}
