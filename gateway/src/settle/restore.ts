/**
 * Quotas after a restart: calendar limits continue from the ledger, which lost nothing that was settled. Rates start anew: their
 * windows are over before most restarts are.
 */
import type { Caller } from '../call.ts';
import { calendarOf } from '../policy/calendar.ts';
import type { BoundLimit } from '../policy/limit.ts';
import type { Ledger } from '../stores/ledger-store.ts';
import type { LimitStore } from '../stores/limit-store.ts';

/**
 * Adds what the ledger knows of the running period to every quota that is not yet in `restored`, and notes it there. Called before
 * the first request, and after a reload for the quotas it brought.
 */
export async function restoreQuotas(
  callers: Iterable<Caller>,
  restored: Set<string>,
  ledger: Ledger,
  limits: LimitStore,
  nowMs: number,
): Promise<void> {
  const quotas = new Map<string, BoundLimit>();
  for (const caller of callers) {
    for (const bound of caller.limits) {
      if (bound.limit.algorithm.kind === 'calendar' && !restored.has(bound.counter)) quotas.set(bound.counter, bound);
    }
  }
  for (const [counter, bound] of quotas) {
    const { algorithm } = bound.limit;
    if (algorithm.kind !== 'calendar') continue;
    restored.add(counter);
    const { start } = calendarOf(algorithm.period, algorithm.timeZone).periodAt(nowMs);
    const used = await ledger.usedSince(bound, start);
    if (used > 0) await limits.restore(bound, used, nowMs);
  }
}
