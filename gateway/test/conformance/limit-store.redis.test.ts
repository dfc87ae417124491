import { test } from 'node:test';
import type { LockingStore } from '../../src/stores/limit-store.ts';
import type { RedisLimitStore } from '../../src/stores/redis/index.ts';
import { redisHarness, type Servers, scattered } from '../fakes/redis-harness.ts';
import { needsOpenssl, needsRedis, startCluster, startRedis, startSentinel } from '../fakes/redis-server.ts';
import { limitStoreConformance } from './limit-store.ts';

/** One server, and what it is started with. */
async function alone(options: Parameters<typeof startRedis>[0]): Promise<Servers & AsyncDisposable> {
  const server = await startRedis(options);
  return { address: server.address, masters: [server], [Symbol.asyncDispose]: server[Symbol.asyncDispose] };
}

function suite(
  name: string,
  runs: number,
  start: () => Promise<Servers & AsyncDisposable>,
  wrap?: (store: RedisLimitStore) => LockingStore,
  { skip } = needsRedis,
): void {
  if (skip) test(`${name}: conformance`, { skip }, () => {});
  else limitStoreConformance(name, redisHarness(start, wrap), runs);
}

suite('redis', 25, () => alone({}));
suite('R41 redis over TLS', 5, () => alone({ tls: true }), undefined, needsOpenssl.skip ? needsOpenssl : needsRedis);
suite('R41 redis without EVALSHA', 5, () => alone({ config: ['user default on nopass ~* &* +@all -evalsha -script'] }));
suite('R41 redis Sentinel', 5, async () => {
  const sentinels = await startSentinel();
  return { ...sentinels, masters: [sentinels.master] };
});
suite('R41 redis Cluster', 5, async () => {
  const cluster = await startCluster();
  return { ...cluster, masters: cluster.nodes };
});
suite(
  'R28 R41 redis Cluster, each limit in another shard',
  10,
  async () => {
    const cluster = await startCluster();
    return { ...cluster, masters: cluster.nodes };
  },
  scattered,
);
