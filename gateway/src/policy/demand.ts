/**
 * What a request asks of a limit before anybody knows what it will use (R2b).
 *
 * `wanted` is the worst case. `needed` is what has to fit: the worst case but for output that nobody capped, which takes what
 * room there is and is extended as it flows. `certain` is what no estimate had a part in: an estimate that is larger than the
 * whole limit is cut to the limit, because an estimate alone never refuses for ever; what is certainly larger is refused for ever.
 */
import { type Amounts, amountOf, capacityOf, type Limit } from './limit.ts';

export interface Demand {
  readonly wanted: Amounts;
  readonly needed: Amounts;
  readonly certain: Amounts;
}

/** A demand without any estimate: all of `amounts`, or nothing. */
export function exactly(amounts: Amounts): Demand {
  return { wanted: amounts, needed: amounts, certain: amounts };
}

/** How much of `limit` has to be free for the demand to pass. */
export function neededOf(limit: Limit, { needed, certain }: Demand): number {
  const amount = amountOf(limit, needed);
  if (needed === certain) return amount;
  const capacity = capacityOf(limit);
  return amount > capacity && amountOf(limit, certain) <= capacity ? capacity : amount;
}

/** How much a demand that passes takes where `remaining` is free; at least `needed`, which is {@link neededOf} it. */
export function takenOf(limit: Limit, demand: Demand, needed: number, remaining: number): number {
  if (demand.wanted === demand.needed) return needed;
  return Math.max(needed, Math.min(amountOf(limit, demand.wanted), remaining));
}

/**
 * How many output tokens are covered where `taken` was taken of `limit`: in proportion, between what was needed and what was
 * wanted, since every dimension grows linearly with the output.
 */
export function coveredOutput(limit: Limit, { wanted, needed }: Demand, taken: number): number {
  const most = amountOf(limit, wanted);
  const least = amountOf(limit, needed);
  if (taken >= most || most === least) return wanted.outputTokens;
  const more = wanted.outputTokens - needed.outputTokens;
  return needed.outputTokens + Math.floor((more * Math.max(0, taken - least)) / (most - least));
}
