import { startRedis } from '../fakes/redis-server.ts';
import { limitsAreExact } from './exact.ts';

limitsAreExact('on one Redis', async () => {
  const redis = await startRedis();
  return { ...redis, masters: [redis] };
});
