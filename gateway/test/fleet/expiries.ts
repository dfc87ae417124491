/** What the keys in a Redis expire in. */
import { Redis } from 'ioredis';
import type { RedisServer } from '../fakes/redis-server.ts';

/** Every key in this server with what it expires in, in milliseconds; -1 when it never does. */
export async function expiriesIn({ port }: RedisServer): Promise<ReadonlyMap<string, number>> {
  const redis = new Redis(port);
  try {
    const expiries = new Map<string, number>();
    for await (const keys of redis.scanStream({ count: 1000 }) as AsyncIterable<string[]>) {
      const answers = await Promise.all(keys.map((key) => redis.pttl(key)));
      for (const [nth, key] of keys.entries()) expiries.set(key, answers[nth]!);
    }
    return expiries;
  } finally {
    redis.disconnect();
  }
}
