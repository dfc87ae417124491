/**
 * What the attempts of a call hold of their targets' own limits, which every caller shares: taken after the call was admitted and
 * before a target is asked, given back as soon as that attempt is over.
 *
 * Invariants
 *  (1) An attempt at a target with limits holds them under `<request id>:<number>`, and settles them exactly once.
 */
import { demandFor } from './admit/demand.ts';
import type { AttemptRecord, Call, Target } from './call.ts';
import { Refused } from './errors.ts';
import { meter } from './meter/meter.ts';
import type { Learnt } from './policy/learnt.ts';
import { amountsOf } from './policy/usage.ts';
import type { LimitStore } from './stores/limit-store.ts';
import type { Attempt } from './upstream/one-attempt.ts';

/** Who holds: a request, with the ids of all it holds, to be renewed while it runs. */
export interface Holder {
  readonly id: string;
  readonly held: string[];
}

export class TargetHolds {
  readonly #id: string;
  readonly #call: Call;
  readonly #limits: LimitStore;
  readonly #learnt: Learnt;
  /** The reservations of the request: those of its attempts come and go. */
  readonly #held: string[];

  constructor({ id, held }: Holder, call: Call, limits: LimitStore, learnt: Learnt) {
    this.#id = id;
    this.#held = held;
    this.#call = call;
    this.#limits = limits;
    this.#learnt = learnt;
  }

  /** Takes of the target's limits what attempt `number` may use; answers why it may not be made, or null. */
  async enter(target: Target, number: number): Promise<Refused | null> {
    const demand = demandFor(this.#call, [target], this.#learnt);
    const decision = await this.#limits.reserve(this.#name(number), target.limits, demand);
    if (decision.admitted) {
      this.#held.push(this.#name(number));
      return null;
    }
    const { bound, retryAfterMs } = decision.states[decision.binding]!;
    const finite = Number.isFinite(retryAfterMs);
    return new Refused('targets_at_limit', { limit: bound.limit.id, ...(finite && { retryAfterMs }) });
  }

  /** Attempt `number` is over and another may follow. */
  async leave(attempt: Attempt, number: number): Promise<void> {
    if (this.#holds(number)) await this.#settle(meter(number, attempt, this.#call));
  }

  /** The call is over. */
  async settle(records: readonly AttemptRecord[]): Promise<void> {
    for (const record of records) if (this.#holds(record.number)) await this.#settle(record);
  }

  async #settle({ number, usage, cost }: AttemptRecord): Promise<void> {
    const name = this.#name(number);
    this.#held.splice(this.#held.indexOf(name), 1);
    await this.#limits.settle(name, amountsOf(usage, cost));
  }

  #holds(number: number): boolean {
    return this.#held.includes(this.#name(number));
  }

  #name(number: number): string {
    return `${this.#id}:${number}`;
  }
}

/** Null where no target of the plan has limits of its own. */
export function targetHolds(
  holder: Holder,
  { call, plan }: { readonly call: Call; readonly plan: readonly Target[] },
  limits: LimitStore,
  learnt: Learnt,
): TargetHolds | null {
  return plan.some((target) => target.limits.length > 0) ? new TargetHolds(holder, call, limits, learnt) : null;
}
