/** What one of several processes enforces of a limit by itself, so that all of them together admit no more than the limit. */
import type { BoundLimit, Limit } from '../../policy/limit.ts';

export class Shares {
  /** By limit: its latest share. A store takes another object for another definition, so that the same share is the same object. */
  readonly #byLimit = new WeakMap<Limit, { readonly processes: number; readonly share: Limit }>();

  /** `bound` for this one of `processes`. */
  of(bound: BoundLimit, processes: number): BoundLimit {
    const known = this.#byLimit.get(bound.limit);
    if (known?.processes === processes) return { ...bound, limit: known.share };
    const share = shareOf(bound.limit, processes);
    this.#byLimit.set(bound.limit, { processes, share });
    return { ...bound, limit: share };
  }
}

function shareOf(limit: Limit, processes: number): Limit {
  const { amount, algorithm } = limit;
  const shaped = algorithm.kind === 'tokenBucket' || algorithm.kind === 'leakyBucket';
  return {
    ...limit,
    amount: part(amount, processes),
    algorithm: shaped ? { ...algorithm, burst: part(algorithm.burst, processes) } : algorithm,
  };
}

/** At least 1, so that a small limit on many processes does not refuse everything; 0 stays 0. */
function part(amount: number, processes: number): number {
  return Math.min(amount, Math.max(1, Math.floor(amount / processes)));
}
