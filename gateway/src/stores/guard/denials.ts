/**
 * Refusals of the store, remembered: who is refused and asks again too early costs no round trip.
 *
 * Invariants
 *  (1) A remembered refusal answers requests bound by the same limits, as they were defined then, that need at least as much of
 *      the limit that bound. Whoever needs less may pass, so the store is asked. Who needs more is told the same time, which is
 *      then the earliest possible one.
 *  (2) It answers no longer than nothing can come back: to the retry time where only time frees the limit, since nothing of it was
 *      reserved; otherwise for SHORT_MS at most, and not after a request of this process has settled on that counter. A limit on
 *      requests gets nothing back from a settlement, but from a request that a later shard of a Cluster refused, or from the
 *      part that another process held.
 *  (3) A reload makes every limit anew, so that what was refused under old limits is forgotten.
 */
import { type Demand, neededOf } from '../../policy/demand.ts';
import type { BoundLimit, Limit } from '../../policy/limit.ts';
import type { Decision, LimitState, Refusal } from '../limit-store.ts';

/** How long a refusal stands where other processes may give back, or that is for ever. */
const SHORT_MS = 250;
/** How many old refusals are looked at for each new one. */
const SWEPT = 2;

interface Denial {
  readonly key: string;
  readonly counter: string;
  readonly limit: Limit;
  readonly needed: number;
  readonly at: number;
  readonly until: number;
  /** Whether a request of this process that settles may free the limit. */
  readonly frees: boolean;
  readonly refusal: Refusal;
}

export class Denials {
  readonly #most: number;
  readonly #byKey = new Map<string, Denial>();
  /** By the counter that bound: what most requests have to look at, when anything at all is refused. */
  readonly #byCounter = new Map<string, Set<Denial>>();
  #cursor = this.#byKey.values();

  /** @param most how many refusals are remembered; about 1 KB each, and 100 bytes for each limit of the request. */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** The refusal that the store would give at `now`, in monotonic milliseconds; null when it has to be asked. */
  find(limits: readonly BoundLimit[], demand: Demand, now: number): Refusal | null {
    if (this.#byKey.size === 0) return null;
    let list: string | null = null;
    for (const { counter, limit } of limits) {
      if (!this.#byCounter.has(counter)) continue;
      list ??= listOf(limits);
      const denial = this.#byKey.get(keyOf(counter, list));
      if (denial === undefined) continue;
      if (now >= denial.until || denial.limit !== limit) this.#forget(denial);
      else if (neededOf(limit, demand) >= denial.needed) return after(denial.refusal, limits, now - denial.at);
    }
    return null;
  }

  /** Remembers what the store decided at `now`. */
  note(limits: readonly BoundLimit[], demand: Demand, decision: Decision, now: number): void {
    if (decision.admitted || decision.unavailable) return;
    const { reserved, retryAfterMs } = decision.states[decision.binding]!;
    const { counter, limit } = limits[decision.binding]!;
    // A store that shares it out remembers by itself, and has to see how hot it is.
    if (limit.sharing === 'leased') return;
    const frees = reserved > 0 && limit.dimension !== 'requests';
    const isShort = reserved > 0 || retryAfterMs === Number.POSITIVE_INFINITY;
    const standsMs = isShort ? Math.min(retryAfterMs, SHORT_MS) : retryAfterMs;
    this.#sweep(now);
    const key = keyOf(counter, listOf(limits));
    const needed = neededOf(limit, demand);
    this.#add({ key, counter, limit, needed, at: now, until: now + standsMs, frees, refusal: decision });
  }

  /** A request of this process has given back what it did not use of `limits`. */
  settled(limits: readonly BoundLimit[]): void {
    if (this.#byKey.size === 0) return;
    for (const { counter } of limits) {
      for (const denial of this.#byCounter.get(counter) ?? []) if (denial.frees) this.#forget(denial);
    }
  }

  #add(denial: Denial): void {
    const before = this.#byKey.get(denial.key);
    if (before !== undefined) this.#forget(before);
    if (this.#byKey.size >= this.#most) for (const oldest of this.#byKey.values().take(1)) this.#forget(oldest);
    this.#byKey.set(denial.key, denial);
    const together = this.#byCounter.get(denial.counter);
    if (together === undefined) this.#byCounter.set(denial.counter, new Set([denial]));
    else together.add(denial);
  }

  #forget(denial: Denial): void {
    this.#byKey.delete(denial.key);
    const together = this.#byCounter.get(denial.counter)!;
    together.delete(denial);
    if (together.size === 0) this.#byCounter.delete(denial.counter);
  }

  /** Forgets refusals that nobody asked for again. */
  #sweep(now: number): void {
    for (let left = SWEPT; left > 0; left--) {
      const next = this.#cursor.next();
      if (next.done) {
        this.#cursor = this.#byKey.values();
        return;
      }
      if (now >= next.value.until) this.#forget(next.value);
    }
  }
}

function listOf(limits: readonly BoundLimit[]): string {
  let list = '';
  for (const { counter } of limits) list += `${counter}\n`;
  return list;
}

function keyOf(counter: string, list: string): string {
  return `${counter}\n${list}`;
}

/** The refusal as it reads `passedMs` later. */
function after(refusal: Refusal, limits: readonly BoundLimit[], passedMs: number): Refusal {
  const states = refusal.states.map(
    (state, index): LimitState => ({
      ...state,
      bound: limits[index]!,
      resetMs: Math.max(0, Math.ceil(state.resetMs - passedMs)),
      retryAfterMs: Math.max(0, Math.ceil(state.retryAfterMs - passedMs)),
    }),
  );
  return { ...refusal, states };
}
