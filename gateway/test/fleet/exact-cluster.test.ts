import { startCluster } from '../fakes/redis-server.ts';
import { limitsAreExact } from './exact.ts';

limitsAreExact('in a Cluster of 3', async () => {
  const cluster = await startCluster();
  return { ...cluster, masters: cluster.nodes };
});
