import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { RedisLimitStore } from '../../../src/stores/redis/index.ts';
import { StoreUnavailable } from '../../../src/stores/store-unavailable.ts';
import { listenOnLoopback } from '../../fakes/loopback.ts';
import { needsRedis, PLAIN, startRedis } from '../../fakes/redis-server.ts';
import { until } from '../../fakes/until.ts';

const SWITCH = '+switch-master';

/** As much of a Sentinel as a client needs, which does what the test says. */
interface Sentinel extends AsyncDisposable {
  readonly port: number;
  /** Where it says that the master is; null: it hangs up on everybody; hold: it does not answer. */
  master: number | 'hold' | null;
  /** Those who ask for the master and have no answer. */
  readonly asking: ReadonlySet<Socket>;
  /** Those who listen to what happens. */
  readonly listening: ReadonlySet<Socket>;
  /** Tells who listens that there is a new master. */
  announce(): void;
}

const array = (...texts: readonly string[]) =>
  `*${texts.length}\r\n${texts.map((text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`).join('')}`;

async function startSentinel(): Promise<Sentinel> {
  const asking = new Set<Socket>();
  const listening = new Set<Socket>();
  const answer = (socket: Socket, command: string): void => {
    if (command.includes('subscribe')) {
      listening.add(socket);
      socket.write(`*3\r\n$9\r\nsubscribe\r\n$${SWITCH.length}\r\n${SWITCH}\r\n:1\r\n`);
    } else if (!command.includes('get-master-addr-by-name')) socket.write('+OK\r\n');
    else if (typeof sentinel.master === 'number') socket.write(array('127.0.0.1', String(sentinel.master)));
    else asking.add(socket);
  };
  const loopback = await listenOnLoopback(
    createServer((socket) => {
      if (sentinel.master === null) socket.destroy();
      socket.on('error', () => {});
      socket.once('close', () => {
        listening.delete(socket);
        asking.delete(socket);
      });
      socket.on('data', (bytes) => {
        for (const command of bytes
          .toString()
          .toLowerCase()
          .split(/(?=\*\d+\r\n)/))
          answer(socket, command);
      });
    }),
  );
  const sentinel: Sentinel = {
    port: Number(loopback.host.split(':')[1]),
    master: null,
    asking,
    listening,
    announce() {
      for (const socket of listening) socket.write(array('message', SWITCH, 'hot'));
    },
    [Symbol.asyncDispose]: () => loopback[Symbol.asyncDispose](),
  };
  return sentinel;
}

function storeBehind({ port }: Sentinel, t: TestContext): RedisLimitStore {
  const hosts = [{ host: '127.0.0.1', port }];
  const store = new RedisLimitStore(
    { ...PLAIN, mode: 'sentinel', hosts, master: 'hot' },
    { clock: systemClock, random: systemRandom, process: 'test' },
  );
  t.after(() => store.close());
  return store;
}

async function untilItWorks(store: RedisLimitStore): Promise<void> {
  let works = false;
  const worked = () => {
    works = true;
  };
  await until('the store works', () => {
    if (!works) void store.probe().then(worked, () => {});
    return works;
  });
}

test(
  'R12, R41: a Sentinel that tells of the new master while one is asked for it does not end the connection',
  needsRedis,
  async (t) => {
    await using first = await startRedis();
    await using second = await startRedis();
    await using sentinel = await startSentinel();
    sentinel.master = first.port;
    const store = storeBehind(sentinel, t);
    await store.open();
    await until('the store listens', () => sentinel.listening.size === 1);

    sentinel.master = 'hold';
    await first.kill();
    await until('the store asks for the master', () => sentinel.asking.size === 1);
    sentinel.announce();
    await until('it has heard', () => sentinel.listening.size === 0);
    sentinel.master = second.port;
    for (const socket of sentinel.asking) socket.write(array('127.0.0.1', String(second.port)));
    await untilItWorks(store);

    await until('the store listens again', () => sentinel.listening.size === 1);
    await store.close();
    await until('it is gone, for good', () => sentinel.listening.size === 0);
  },
);

test(
  'R12, R41: where no Sentinel answers, opening fails instead of waiting, and the store works once one does',
  needsRedis,
  async (t) => {
    await using redis = await startRedis();
    await using sentinel = await startSentinel();
    const store = storeBehind(sentinel, t);
    await assert.rejects(store.open(), new StoreUnavailable('not connected'));
    sentinel.master = redis.port;
    await untilItWorks(store);
  },
);
