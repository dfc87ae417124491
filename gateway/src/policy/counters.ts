/** The algorithm of each kind of limit: the only place that knows them all. */
import { calendarOf } from './calendar.ts';
import type { Counter } from './counter.ts';
import { Leases } from './lease.ts';
import type { Limit } from './limit.ts';
import { Quota } from './quota.ts';
import { SlidingWindow } from './sliding-window.ts';
import { TokenBucket } from './token-bucket.ts';

/** A counter of `limit` for a subject that has used nothing. `now` in milliseconds since the epoch. */
export function newCounter({ amount, algorithm }: Limit, now: number): Counter {
  switch (algorithm.kind) {
    case 'slidingWindow':
      return new SlidingWindow(amount, algorithm.windowMs, now);
    case 'tokenBucket':
      return new TokenBucket(amount, algorithm.windowMs, algorithm.burst, now);
    case 'leakyBucket':
      return new TokenBucket(amount, algorithm.windowMs, algorithm.burst, now, true);
    case 'calendar':
      return new Quota(amount, calendarOf(algorithm.period, algorithm.timeZone, algorithm.start), now);
    case 'concurrency':
      return new Leases(amount, algorithm.leaseMs, now);
  }
}
