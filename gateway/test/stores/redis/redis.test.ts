import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { type BoundLimit, CALENDAR_START } from '../../../src/policy/limit.ts';
import type { RedisAddress } from '../../../src/stores/redis/connection.ts';
import { RedisLimitStore, type RedisOptions } from '../../../src/stores/redis/index.ts';
import { RedisUnsuitable } from '../../../src/stores/redis/suitable.ts';
import { StoreUnavailable } from '../../../src/stores/store-unavailable.ts';
import { detourTo } from '../../fakes/redis-detour.ts';
import {
  needsRedis,
  PLAIN,
  type RedisServer,
  startCluster,
  startRedis,
  startSentinel,
} from '../../fakes/redis-server.ts';
import { VirtualClock } from '../../fakes/virtual-clock.ts';
import { amounts, bind, demand, limitOf } from '../../policy/limits.ts';

const MINUTE = 60_000;
const PATIENT_MS = 10_000;

const window = (amount: number, id = 'window') =>
  bind(limitOf(amount, { kind: 'slidingWindow', windowMs: MINUTE }, { id }));
const bucket = (amount: number, id = 'bucket') =>
  bind(limitOf(amount, { kind: 'tokenBucket', windowMs: MINUTE, burst: amount }, { id }));
const quota = (amount: number) =>
  bind(
    limitOf(
      amount,
      { kind: 'calendar', period: 'day', timeZone: 'Europe/Paris', start: CALENDAR_START },
      { id: 'quota' },
    ),
  );
const parallel = (amount: number) =>
  bind(limitOf(amount, { kind: 'concurrency', leaseMs: MINUTE }, { id: 'parallel' }));
const inShard = (bound: BoundLimit, shard: string): BoundLimit => ({ ...bound, shard });

const GIVE_UP_MS = 15_000;

/** Asks again and again until `holds`; there is nothing to await instead. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const giveUpAt = systemClock.monotonic() + GIVE_UP_MS;
  while (!(await holds())) {
    assert.ok(systemClock.monotonic() < giveUpAt, `it never came to pass: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 20));
  }
}

/** A process that shares the limits; its time is the server's unless it has a virtual clock. */
function processOf(
  processes: AsyncDisposableStack,
  address: RedisAddress,
  process: string,
  over: Partial<RedisOptions> = {},
): RedisLimitStore {
  const store = new RedisLimitStore(address, {
    clock: systemClock,
    random: systemRandom,
    process,
    timeoutMs: PATIENT_MS,
    ...over,
  });
  processes.defer(() => store.close());
  return store;
}

async function withStore(
  address: RedisAddress,
  run: (store: RedisLimitStore) => Promise<void>,
  over: Partial<RedisOptions> = {},
): Promise<void> {
  await using processes = new AsyncDisposableStack();
  const store = processOf(processes, address, 'one', over);
  await store.open();
  await run(store);
}

function keysWithoutExpiry(server: RedisServer, least = 1): string[] {
  const keys = server
    .cli('--scan')
    .split('\n')
    .filter((key) => key !== '');
  assert.ok(keys.length >= least);
  return keys.filter((key) => Number(server.cli('pttl', key)) < 0);
}

test('every key the limits leave in Redis has an expiry, whatever was done', needsRedis, async () => {
  await using server = await startRedis();
  const clock = new VirtualClock();
  const limits = [window(1e6), bucket(1e6), quota(1e6), parallel(1e6)];
  const run = async (store: RedisLimitStore) => {
    for (let count = 0; count < 300; count++) {
      await store.reserve(`r${count}`, limits, demand(count % 7));
      if (count % 2 === 0) await store.settle(`r${count - 10}`, amounts(count % 9));
      if (count % 5 === 0) await store.extend(`r${count}`, 1, amounts(3));
      if (count % 7 === 0) await store.charge(`c${count}`, limits, amounts(2));
      if (count % 11 === 0) await store.lock(`l${count}`, limits.slice(0, 3), [5, 5, 5], [1, 1, 1]);
      if (count % 13 === 0) await store.renew([`r${count}`, `r${count - 3}`]);
      if (count % 20 === 0) clock.advance(30_000);
      else clock.advance(count % 3);
      if (count % 50 === 0) await store.sweep();
    }
    assert.deepEqual(keysWithoutExpiry(server), []);
    await store.settle('r299', amounts(1));
    await store.settle('r299', amounts(1));
    await store.sweep();
    assert.deepEqual(keysWithoutExpiry(server), []);
  };
  await withStore(server.address, run, { clock, time: 'clock' });
});

test('scripts that the server forgot are loaded again, and the request notices nothing', needsRedis, async () => {
  await using server = await startRedis();
  await withStore(server.address, async (store) => {
    await store.reserve('r1', [window(10)], demand(4));
    server.cli('script', 'flush');
    assert.equal((await store.reserve('r2', [window(10)], demand(4))).admitted, true);
    server.cli('script', 'flush');
    assert.equal(await store.settle('r1', amounts(1)), true);
    assert.equal((await store.read([window(10)]))[0]?.remaining, 5);
  });
});

test('R41: a server that forbids scripts is refused at the start, and the way out is said', needsRedis, async () => {
  await using server = await startRedis({ config: ['user default on nopass ~* &* +@all -@scripting'] });
  await using processes = new AsyncDisposableStack();
  const store = processOf(processes, server.address, 'one');
  await assert.rejects(store.open(), (error: Error) => {
    assert.ok(error instanceof RedisUnsuitable);
    assert.match(error.message, /EVAL.*ACL SETUSER.*memory/s);
    return true;
  });
  await store.close();
});

test('a wrong password ends the start, and is said without the password', needsRedis, async () => {
  await using server = await startRedis({ config: ['requirepass right'] });
  await using processes = new AsyncDisposableStack();
  const store = processOf(processes, { ...server.address, password: 'wrong-secret' }, 'one');
  await assert.rejects(store.open(), (error: Error) => {
    assert.ok(error instanceof RedisUnsuitable);
    assert.doesNotMatch(`${error.message} ${error.stack}`, /secret/);
    return true;
  });
  await store.close();
  await withStore({ ...server.address, password: 'right' }, async (open) => {
    assert.equal((await open.reserve('r1', [window(1)], demand(1))).admitted, true);
  });
});

test(
  'R2 R13: what a process left that is gone counts as reserved and is free of its place within one lease',
  needsRedis,
  async () => {
    await using server = await startRedis();
    const clock = new VirtualClock();
    const leaseMs = 16_000;
    await using processes = new AsyncDisposableStack();
    const gone = processOf(processes, server.address, 'gone', { clock, time: 'clock', leaseMs });
    await gone.open();
    const limits = [bucket(100), quota(100), parallel(2)];
    await gone.reserve('lost', limits, demand(30));
    await gone.close();
    const run = async (store: RedisLimitStore) => {
      await store.reserve('running', limits, demand(5));
      for (let passed = 0; passed < leaseMs; passed += leaseMs / 8) {
        clock.advance(leaseMs / 8);
        await store.renew(['running']);
        await store.sweep();
      }
      const [ofBucket, ofQuota, ofPlaces] = await store.read(limits);
      assert.equal(ofBucket?.reserved, 5);
      assert.deepEqual([ofQuota?.used, ofQuota?.reserved], [30, 5]);
      assert.equal(ofPlaces?.reserved, 1);
      assert.equal(await store.held(), 1);
      assert.equal(await store.settle('running', amounts(7)), true);
      assert.deepEqual(
        (await store.read(limits)).map(({ reserved }) => reserved),
        [0, 0, 0],
      );
    };
    await withStore(server.address, run, { clock, time: 'clock', leaseMs });
  },
);

test('R2: what a process left that is gone is given back where orphans are refunded', needsRedis, async () => {
  await using server = await startRedis();
  const clock = new VirtualClock();
  const over = { clock, time: 'clock', leaseMs: 8000, orphans: 'refund' } as const;
  await withStore(server.address, async (store) => void (await store.reserve('lost', [quota(100)], demand(30))), over);
  const run = async (store: RedisLimitStore) => {
    clock.advance(8000);
    assert.equal(await store.sweep(), 0, 'this process has not used the shard, and it is not known as lost yet');
    await store.reserve('r1', [quota(100)], demand(1));
    assert.equal(await store.sweep(), 1);
    assert.deepEqual(
      (await store.read([quota(100)])).map(({ used, reserved }) => [used, reserved]),
      [[0, 1]],
    );
  };
  await withStore(server.address, run, over);
});

test('R2: a reserve that arrives after its settle takes nothing', needsRedis, async () => {
  await using server = await startRedis();
  await using detour = await detourTo(server.port);
  const address = { ...server.address, hosts: [{ host: '127.0.0.1', port: detour.port }] };
  const run = async (store: RedisLimitStore) => {
    await store.reserve('first', [window(10)], demand(1));
    detour.hold();
    await assert.rejects(store.reserve('late', [window(10)], demand(4)), StoreUnavailable);
    detour.cut();
    let settled: boolean | null = null;
    await until('the settlement overtakes the reserve', async () => {
      settled = await store.settle('late', amounts(0)).catch(() => null);
      return settled !== null;
    });
    assert.equal(settled, false, 'nothing was there to settle');
    await detour.release();
    assert.equal((await store.read([window(10)]))[0]?.remaining, 9);
    assert.equal(await store.held(), 1);
  };
  await withStore(address, run, { timeoutMs: 300 });
});

test('how many processes share the limits is known, and one that leaves is not counted', needsRedis, async () => {
  await using server = await startRedis();
  await using processes = new AsyncDisposableStack();
  const first = processOf(processes, server.address, 'first');
  const second = processOf(processes, server.address, 'second');
  await first.open();
  await second.open();
  await first.sweep();
  assert.deepEqual([first.processes(), second.processes()], [2, 2]);
  await second.close();
  await first.sweep();
  assert.equal(first.processes(), 1);
  await first.close();
});

test(
  'a command fails at once while there is no connection, and works again when the server is back',
  needsRedis,
  async () => {
    const server = await startRedis();
    await using processes = new AsyncDisposableStack();
    const store = processOf(processes, server.address, 'one');
    await store.open();
    await server.kill();
    await assert.rejects(async () => await store.reserve('r1', [window(10)], demand(1)), StoreUnavailable);
    const asked = systemClock.monotonic();
    await assert.rejects(async () => await store.reserve('r2', [window(10)], demand(1)), StoreUnavailable);
    assert.ok(systemClock.monotonic() - asked < 200, 'nothing waits for a connection');
    await using again = await startRedis({ port: server.port });
    await until('the connection is back', async () => {
      return await store.reserve('r3', [window(10)], demand(1)).then(
        ({ admitted }) => admitted,
        () => false,
      );
    });
    assert.equal(again.cli('exists', 'hg:{all}:record:r3').trim(), '1');
    await store.close();
    await server[Symbol.asyncDispose]();
  },
);

test('a server that does not exist is an outage, not the end', needsRedis, async () => {
  await using processes = new AsyncDisposableStack();
  const store = processOf(processes, { ...PLAIN, hosts: [{ host: '127.0.0.1', port: 1 }] }, 'one');
  await assert.rejects(store.open(), StoreUnavailable);
  await assert.rejects(async () => await store.reserve('r1', [window(1)], demand(1)), StoreUnavailable);
});

test('R28 R41: in a Cluster a refusal by one shard leaves nothing taken in any other', needsRedis, async () => {
  await using cluster = await startCluster();
  await withStore(cluster.address, async (store) => {
    const org = inShard(window(100, 'org'), 'org:acme');
    const tier = inShard(bucket(100, 'tier'), 'tier:pro');
    const model = inShard(window(5, 'model'), 'model:large');
    const limits = [model, tier, org];
    assert.equal((await store.reserve('r1', limits, demand(4))).admitted, true);
    const refused = await store.reserve('r2', limits, demand(4));
    assert.equal(!refused.admitted && refused.binding, 0);
    assert.deepEqual(
      refused.states.map(({ reserved, taken }) => [reserved, taken]),
      [
        [4, 0],
        [4, 0],
        [4, 0],
      ],
    );
    const more = await store.extend('r1', 1, { ...amounts(2), requests: 0 });
    assert.equal(more?.admitted, false);
    assert.deepEqual(
      (await store.read(limits)).map(({ reserved }) => reserved),
      [4, 4, 4],
    );
    assert.equal((await store.extend('r1', 2, { ...amounts(1), requests: 0 }))?.admitted, true);
    assert.equal(await store.settle('r1', amounts(5)), true);
    assert.deepEqual(
      (await store.read(limits)).map(({ used, reserved }) => [used, reserved]),
      [
        [5, 0],
        [5, 0],
        [5, 0],
      ],
    );
    for (const node of cluster.nodes) assert.deepEqual(keysWithoutExpiry(node, 0), []);
  });
});

test(
  'R28 R41: a request at the end of a period is counted in that one, whatever other shards say the time is',
  needsRedis,
  async () => {
    await using cluster = await startCluster();
    const clock = new VirtualClock();
    const calendar = { kind: 'calendar', period: 'minute', timeZone: 'UTC', start: CALENDAR_START } as const;
    const third = inShard(window(100), 'tier:pro');
    const limits = [inShard(window(100), 'org:acme'), inShard(bind(limitOf(4, calendar)), 'model:large')];
    const run = async (store: RedisLimitStore) => {
      clock.step(MINUTE - 1);
      assert.equal((await store.reserve('r1', limits, demand(3))).admitted, true);
      // A third shard is in the next minute already, and stays there when the clock is set back, and teaches that time.
      clock.step(1);
      await store.read([third]);
      clock.step(-1);
      await store.read([third]);
      assert.equal((await store.reserve('r2', limits, demand(3))).admitted, false);
    };
    await withStore(cluster.address, run, { clock, time: 'clock' });
  },
);

test('R2 R41: in a Cluster the shards of a process that is gone are found and swept', needsRedis, async () => {
  await using cluster = await startCluster();
  const clock = new VirtualClock();
  const over = { clock, time: 'clock', leaseMs: 8000 } as const;
  const limits = [inShard(quota(100), 'org:lonely'), inShard(parallel(3), 'model:lonely')];
  await using processes = new AsyncDisposableStack();
  const gone = processOf(processes, cluster.address, 'gone', over);
  await gone.open();
  await gone.reserve('lost', limits, demand(30));
  await gone.sweep();
  await gone.close();
  await withStore(
    cluster.address,
    async (store) => {
      clock.advance(8000);
      assert.equal(await store.sweep(), 2, 'one part in each shard');
      const states = await store.read(limits);
      assert.deepEqual(
        states.map(({ used, reserved }) => [used, reserved]),
        [
          [30, 0],
          [0, 0],
        ],
      );
    },
    over,
  );
});

/**
 * Replication is asynchronous, so a failover can lose the latest writes: at most what was admitted and not yet replicated is
 * admitted twice. Here every admission was answered before the master died, and all but the lag is on the replica.
 */
test(
  'R41: a Sentinel failover costs at most what was not replicated, and the new master is found within seconds',
  needsRedis,
  async () => {
    await using sentinels = await startSentinel();
    await withStore(
      sentinels.address,
      async (store) => {
        const limit = window(100);
        let admitted = 0;
        for (let count = 0; count < 60; count++) {
          if ((await store.reserve(`r${count}`, [limit], demand(1))).admitted) admitted++;
        }
        const replicated = Number(sentinels.replica.cli('zcard', 'hg:{all}:expiries'));
        await sentinels.master.kill();
        const diedAt = systemClock.monotonic();
        let failed = 0;
        for (let count = 60; admitted < 200 && count < 100_000; count++) {
          try {
            if (!(await store.reserve(`r${count}`, [limit], demand(1))).admitted) break;
            admitted++;
          } catch (error) {
            assert.ok(error instanceof StoreUnavailable);
            failed++;
            assert.ok(systemClock.monotonic() - diedAt < 15_000, 'the new master was never found');
            await new Promise<void>((resolve) => systemClock.after(20, resolve));
          }
        }
        assert.ok(failed > 0, 'the master died');
        assert.ok(
          admitted >= 100 - failed && admitted <= 100 + (60 - replicated),
          `${admitted} of 100, ${replicated} of 60 replicated`,
        );
      },
      { timeoutMs: 1000 },
    );
  },
);
