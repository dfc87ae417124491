/**
 * Quotas after a restart: calendar limits continue from the ledger, which lost nothing that was settled. Rates start anew: their
 * windows are over before most restarts are.
 */
import { calendarOf } from '../policy/calendar.ts';
import { amountOf, type BoundLimit } from '../policy/limit.ts';
import type { Ledger, UseFilter } from '../stores/ledger-store.ts';
import type { LimitStore } from '../stores/limit-store.ts';

/** A limit with one whose use it adds up, and the calls in the ledger that are that use. */
export interface CountedUse {
  readonly bound: BoundLimit;
  readonly filter: UseFilter;
}

/**
 * Charges every calendar limit that is not yet in `restored` with what the ledger knows of its running period, and notes it
 * there. `nowMs` is when these limits began to bind calls: later ones they count themselves, also while the ledger is read.
 * Called before the first request, and after a reload for the limits it brought.
 */
export async function restoreQuotas(
  counted: Iterable<CountedUse> | AsyncIterable<CountedUse>,
  restored: Set<string>,
  ledger: Ledger,
  limits: LimitStore,
  nowMs: number,
): Promise<void> {
  for await (const { bound, filter } of counted) {
    const { limit, counter } = bound;
    const { algorithm } = limit;
    if (algorithm.kind !== 'calendar' || restored.has(counter)) continue;
    restored.add(counter);
    const { start } = calendarOf(algorithm.period, algorithm.timeZone, algorithm.start).periodAt(nowMs);
    const used = await ledger.usedSince(filter, start, nowMs);
    if (amountOf(limit, used) > 0) await limits.charge(`restore ${counter} ${start}`, [bound], used);
  }
}
