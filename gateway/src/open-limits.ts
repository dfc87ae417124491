/** Part of the composition root: the limit store that a configuration names, with all that stands in front of it. */
import type { Clock, Ids, Random } from './clock.ts';
import type { LimitStoreSettings, RemoteSettings } from './config/snapshot.ts';
import type { Log } from './observe/log.ts';
import type { Gauges } from './observe/metrics.ts';
import { BREAKER } from './policy/breaker.ts';
import type { LimitStore } from './stores/limit-store.ts';
import { MemoryLimitStore } from './stores/memory/index.ts';
import { StoreUnavailable } from './stores/store-unavailable.ts';

/** Settlements and charges kept for a store that is away: some minutes of a busy gateway. */
const MOST_PENDING = 100_000;
/** Refusals that are remembered, so that a flood of refused calls costs no round trips. */
const MOST_DENIALS = 10_000;
const CLOSE_WITHIN_MS = 2000;

export interface OpenLimits {
  readonly limits: LimitStore;
  /** What `/metrics` says of the store, besides how much it holds. */
  limitGauges(): Gauges;
}

export interface OpenLimitsOptions {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly log: Log;
}

/** @throws RedisUnsuitable when the store cannot do what limits need. One that is away now is waited for, and served without. */
export async function openLimits(settings: LimitStoreSettings, options: OpenLimitsOptions): Promise<OpenLimits> {
  if (settings.kind === 'memory') {
    return { limits: new MemoryLimitStore(options.clock, settings), limitGauges: () => ({}) };
  }
  return openRemote(settings, options);
}

async function openRemote(
  settings: RemoteSettings & LimitStoreSettings,
  { clock, ids, random, log }: OpenLimitsOptions,
): Promise<OpenLimits> {
  // Loaded where it is configured: a gateway with limits in memory keeps the driver out of its own.
  const [{ RedisLimitStore }, { LeasedLimitStore }, { GuardedLimitStore }] = await Promise.all([
    import('./stores/redis/index.ts'),
    import('./stores/leased/index.ts'),
    import('./stores/guard/index.ts'),
  ]);
  const { leaseMs, orphans, timeoutMs } = settings;
  const redis = new RedisLimitStore(settings, {
    clock,
    random,
    process: ids.request(),
    leaseMs,
    orphans,
    timeoutMs,
  });
  const guard = new GuardedLimitStore(new LeasedLimitStore(redis, clock, ids, settings), clock, {
    probe: () => redis.probe(),
    timeoutMs,
    breaker: BREAKER,
    log: log.event,
    leaseMs,
    orphans,
    processes: () => redis.processes(),
    mostPending: MOST_PENDING,
    mostDenials: MOST_DENIALS,
    closeWithinMs: CLOSE_WITHIN_MS,
  });
  try {
    await redis.open();
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) {
      await guard.close();
      throw error;
    }
    guard.giveUpStore(error);
  }
  return {
    limits: guard,
    limitGauges: () => ({
      limitsDegraded: { value: guard.degraded },
      limitsPending: { value: guard.pending },
      limitsDropped: { value: guard.dropped },
      limitsDenied: { value: guard.denied },
      limitsRoundTrips: { value: redis.roundTrips },
      limitsProcesses: { value: redis.processes() },
    }),
  };
}
