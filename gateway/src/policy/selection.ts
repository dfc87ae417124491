/** Which targets may serve a call, and in which order. Pure. */
import type { Prices } from './money.ts';

interface Candidate {
  readonly prices: Prices | null;
}

/**
 * The targets in the order of their priority, without those that the caller's limits on cost cannot count: a target without a
 * known price is no free target (R11).
 */
export function byPriority<T extends Candidate>(targets: readonly T[], mustBePriced: boolean): readonly T[] {
  if (!mustBePriced) return targets;
  const priced = targets.filter((target) => target.prices !== null);
  return priced.length === targets.length ? targets : priced;
}
