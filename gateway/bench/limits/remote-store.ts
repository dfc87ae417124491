/** The limit store over Redis as the gateway opens it, with all that stands in front of it. */
import { systemClock, systemRandom, ulids } from '../../src/clock.ts';
import { parseRedisUrl } from '../../src/config/redis-url.ts';
import { openLog } from '../../src/observe/log.ts';
import { openLimits } from '../../src/open-limits.ts';
import type { LimitStore } from '../../src/stores/limit-store.ts';

/** Longer than in life: what is measured is a store that answers, also on a busy machine. */
const PATIENT_MS = 5_000;

export async function remoteStore(port: number): Promise<LimitStore> {
  const parsed = parseRedisUrl(`redis://127.0.0.1:${port}`);
  if ('problem' in parsed) throw new Error(parsed.problem);
  const settings = { ...parsed.value, leaseMs: 120_000, orphans: 'charge', timeoutMs: PATIENT_MS, ca: null } as const;
  const opened = await openLimits(settings, {
    clock: systemClock,
    ids: ulids(systemClock),
    random: systemRandom,
    log: openLog(systemClock, 1, 'warn', false),
  });
  return opened.limits;
}
