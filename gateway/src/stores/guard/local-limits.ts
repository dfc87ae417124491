/**
 * Decisions of this process alone, while the store that all processes share does not answer: each limit by its `onStoreError`.
 *
 * Bounds: `localShare` limits admit at most their amount in all processes together (one a process where the amount is smaller than
 * their number), on top of what the store had admitted before. States tell what this process knows.
 *
 * Invariants
 *  (1) A request is admitted by all of its limits or takes of none, whatever their policies.
 *  (2) A limit that only reports refuses nothing here either.
 */
import type { Clock } from '../../clock.ts';
import { type Demand, exactly, neededOf } from '../../policy/demand.ts';
import { type Amounts, amountOf, type BoundLimit, capacityOf, type Limit } from '../../policy/limit.ts';
import type { Decision, LimitState, Refusal } from '../limit-store.ts';
import { MemoryLimitStore, type MemoryOptions } from '../memory/index.ts';
import { Shares } from './share.ts';

export class LocalLimits {
  readonly #memory: MemoryLimitStore;
  readonly #shares = new Shares();
  readonly #processes: () => number;
  readonly #retryAfterMs: () => number;

  /** @param processes how many processes share the limits; @param retryAfterMs when the store may answer again. */
  constructor(clock: Clock, options: MemoryOptions, processes: () => number, retryAfterMs: () => number) {
    this.#memory = new MemoryLimitStore(clock, options);
    this.#processes = processes;
    this.#retryAfterMs = retryAfterMs;
  }

  reserve(id: string, limits: readonly BoundLimit[], demand: Demand): Decision {
    const closed = closedFor(limits, demand.wanted);
    if (closed >= 0) return this.#unavailable(limits, closed);
    return this.#of(limits, demand, this.#memory.reserve(id, this.#sharesOf(limits), demand));
  }

  /** For what was reserved here. */
  extend(id: string, step: number, limits: readonly BoundLimit[], more: Amounts): Decision | null {
    const closed = closedFor(limits, more);
    if (closed >= 0) return this.#unavailable(limits, closed);
    const decision = this.#memory.extend(id, step, more);
    return decision === null ? null : this.#of(limits, exactly(more), decision);
  }

  /** For what the store reserved: takes `more`, and counts it as used, since the store will settle the whole request. */
  extendAside(id: string, step: number, limits: readonly BoundLimit[], more: Amounts): Decision {
    const aside = `${id}+${step}`;
    const decision = this.reserve(aside, limits, exactly(more));
    if (decision.admitted) this.#memory.settle(aside, more);
    return decision;
  }

  settle(id: string, actual: Amounts): void {
    this.#memory.settle(id, actual);
  }

  charge(id: string, limits: readonly BoundLimit[], actual: Amounts): void {
    this.#memory.charge(id, this.#sharesOf(limits), actual);
  }

  renew(ids: readonly string[]): void {
    this.#memory.renew(ids);
  }

  read(limits: readonly BoundLimit[], demand?: Demand): readonly LimitState[] {
    const local = this.#memory.read(this.#sharesOf(limits), demand);
    return this.#states(limits, local, null);
  }

  close(): void {
    this.#memory.close();
  }

  #sharesOf(limits: readonly BoundLimit[]): BoundLimit[] {
    const processes = Math.max(1, this.#processes());
    const shares: BoundLimit[] = [];
    for (const bound of limits) {
      if (bound.limit.onStoreError === 'localShare') shares.push(this.#shares.of(bound, processes));
    }
    return shares;
  }

  /** What the memory decided about the shares, said of `limits`. */
  #of(limits: readonly BoundLimit[], demand: Demand, decision: Decision): Decision {
    const states = this.#states(limits, decision.states, decision.admitted ? demand.wanted : null);
    if (decision.admitted) return { admitted: true, states, delayMs: decision.delayMs };
    const counter = decision.states[decision.binding]!.bound.counter;
    const binding = limits.findIndex((bound) => bound.counter === counter);
    // Too large for a share only: the whole limit could admit it.
    const { limit } = limits[binding]!;
    const fits = neededOf(limit, demand) <= capacityOf(limit);
    if (states[binding]!.retryAfterMs !== Number.POSITIVE_INFINITY || !fits)
      return { admitted: false, binding, states };
    return this.#unavailable(limits, binding);
  }

  #unavailable(limits: readonly BoundLimit[], binding: number): Refusal {
    const local = this.#memory.read(this.#sharesOf(limits));
    const states = this.#states(limits, local, null);
    const retryAfterMs = this.#retryAfterMs();
    states[binding] = { ...states[binding]!, remaining: 0, resetMs: retryAfterMs, retryAfterMs };
    return { admitted: false, binding, states, unavailable: true };
  }

  /** Those of the shares as the memory found them; the others are not counted here. */
  #states(limits: readonly BoundLimit[], local: readonly LimitState[], admitted: Amounts | null): LimitState[] {
    let share = 0;
    return limits.map((bound) => {
      if (bound.limit.onStoreError === 'localShare') return { ...local[share++]!, bound };
      const closed = isClosed(bound.limit);
      return {
        bound,
        used: 0,
        reserved: 0,
        remaining: closed ? 0 : capacityOf(bound.limit),
        taken: admitted === null ? 0 : amountOf(bound.limit, admitted),
        resetMs: 0,
        retryAfterMs: closed && admitted === null ? this.#retryAfterMs() : 0,
      };
    });
  }
}

/** The first of `limits` through which nothing passes unseen, where `wanted` is asked of it; -1 when there is none. */
function closedFor(limits: readonly BoundLimit[], wanted: Amounts): number {
  return limits.findIndex(({ limit }) => isClosed(limit) && amountOf(limit, wanted) > 0);
}

function isClosed({ onStoreError, onExceed }: Limit): boolean {
  return onStoreError === 'closed' && onExceed !== 'report';
}
