/**
 * What the attempts of a call hold of their targets' own limits, which every caller shares: taken after the call was admitted and
 * before a target is asked, given back as soon as that attempt is over.
 *
 * Invariants
 *  (1) An attempt at a target with limits holds them under a name of its own, and settles them exactly once. A name that was
 *      refused is not used again.
 */
import { demandFor } from './admit/demand.ts';
import { waitOf } from './admit/refusal.ts';
import { type Presence, Waiter } from './admit/waiting.ts';
import type { AttemptRecord, Call, Target } from './call.ts';
import type { Clock } from './clock.ts';
import { Refused } from './errors.ts';
import { meter } from './meter/meter.ts';
import type { Learnt } from './policy/learnt.ts';
import { type Amounts, NOTHING } from './policy/limit.ts';
import { amountsOf } from './policy/usage.ts';
import type { LimitStore } from './stores/limit-store.ts';
import type { Attempt } from './upstream/one-attempt.ts';

/** Who holds: a request. */
export interface Holder extends Presence {
  readonly id: string;
}

export interface HoldSetting {
  readonly limits: LimitStore;
  readonly learnt: Learnt;
  readonly clock: Clock;
}

export class TargetHolds {
  readonly #holder: Holder;
  readonly #call: Call;
  readonly #setting: HoldSetting;
  #asked = 0;
  /** What each attempt that still holds something holds it under, by its number. */
  readonly #names: (string | undefined)[] = [];

  constructor(holder: Holder, call: Call, setting: HoldSetting) {
    this.#holder = holder;
    this.#call = call;
    this.#setting = setting;
  }

  /**
   * Takes of the target's limits what attempt `number` may use, and waits for its turn where they shape; answers why the attempt
   * may not be made, or null.
   * @throws Refused why the request was interrupted while it waited; then nothing is held.
   */
  async enter(target: Target, number: number): Promise<Refused | null> {
    const { limits, learnt, clock } = this.#setting;
    const name = `${this.#holder.id}:${++this.#asked}`;
    const decision = await limits.reserve(name, target.limits, demandFor(this.#call, [target], learnt, target.limits));
    if (!decision.admitted) {
      const binding = decision.states[decision.binding]!;
      const retryAfterMs = waitOf(binding);
      const finite = Number.isFinite(retryAfterMs);
      return new Refused('targets_at_limit', { limit: binding.bound.limit.id, ...(finite && { retryAfterMs }) });
    }
    this.#holder.held.push(name);
    this.#names[number] = name;
    if (decision.delayMs > 0) {
      try {
        await new Waiter(clock, this.#holder).sleep(decision.delayMs);
      } catch (interrupted) {
        await this.#settle(number, NOTHING);
        throw interrupted;
      }
    }
    return null;
  }

  /** Attempt `number` is over and another may follow. */
  async leave(attempt: Attempt, number: number): Promise<void> {
    const { usage, cost } = meter(number, attempt, this.#call);
    await this.#settle(number, amountsOf(usage, cost));
  }

  /** The call is over. */
  async settle(records: readonly AttemptRecord[]): Promise<void> {
    for (const { number, usage, cost } of records) await this.#settle(number, amountsOf(usage, cost));
  }

  /** Gives back what attempt `number` holds, if it holds anything. */
  async #settle(number: number, actual: Amounts): Promise<void> {
    const name = this.#names[number];
    if (name === undefined) return;
    this.#names[number] = undefined;
    const { held } = this.#holder;
    held.splice(held.indexOf(name), 1);
    await this.#setting.limits.settle(name, actual);
  }
}

/** Null where no target of the plan has limits of its own. */
export function targetHolds(
  holder: Holder,
  { call, plan }: { readonly call: Call; readonly plan: readonly Target[] },
  setting: HoldSetting,
): TargetHolds | null {
  return plan.some((target) => target.limits.length > 0) ? new TargetHolds(holder, call, setting) : null;
}
