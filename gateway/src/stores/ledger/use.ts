/** What the calls of a batch used, summed by meter and minute: what `usage_by_minute` is made of. */
import type { RequestRecord } from '../../call.ts';
import { addUsage, type Usage } from '../../policy/usage.ts';

export const MINUTE_MS = 60_000;

/**
 * Whose use is added up (see `meters` in schema.ts), with '' for what there is none of: tier, model, target, team, user,
 * organization, key, end user. What there are most of comes last, so that {@link UseByMinute} has few branches.
 */
export type Meter = readonly [string, string, string, string, string, string, string, string];

export interface Use {
  readonly meter: Meter;
  /** Minutes since the epoch. */
  readonly minute: number;
  requests: number;
  usage: Usage;
  /** Nano-dollars. A call whose cost is unknown adds nothing. */
  cost: number;
}

/** A tree and not one map: to join a meter's names into one string costs ten times as much as to look them up one by one. */
type Branch = Map<string | number, Branch | Use>;

export class UseByMinute {
  #root: Branch = new Map();
  #uses: Use[] = [];

  /** Adds one call and its attempts. A call that was not admitted used nothing. */
  add(record: RequestRecord): void {
    if (!record.admitted) return;
    const minute = Math.floor(record.at / MINUTE_MS);
    this.#add(meterOfCall(record), minute, record.usage, record.cost);
    for (const { target, usage, cost } of record.attempts) {
      this.#add(['', record.model ?? '', target, '', '', '', '', ''], minute, usage, cost);
    }
  }

  values(): readonly Use[] {
    return this.#uses;
  }

  #add(meter: Meter, minute: number, usage: Usage, cost: number | null): void {
    const leaves = this.#leaves(meter, minute);
    const use = leaves.get(meter[7]) as Use | undefined;
    if (use === undefined) {
      const first: Use = { meter, minute, requests: 1, usage, cost: cost ?? 0 };
      leaves.set(meter[7], first);
      this.#uses.push(first);
      return;
    }
    use.requests += 1;
    use.usage = addUsage(use.usage, usage);
    use.cost += cost ?? 0;
  }

  /** The uses of that minute by end user, of those that are alike but for him. */
  #leaves(meter: Meter, minute: number): Branch {
    let branch = branchAt(this.#root, minute);
    for (let index = 0; index < 7; index++) branch = branchAt(branch, meter[index]!);
    return branch;
  }
}

function branchAt(branch: Branch, name: string | number): Branch {
  let next = branch.get(name) as Branch | undefined;
  if (next === undefined) {
    next = new Map();
    branch.set(name, next);
  }
  return next;
}

function meterOfCall({ organization, team, user, keyId, tier, model, endUser }: RequestRecord): Meter {
  return [tier ?? '', model ?? '', '', team ?? '', user ?? '', organization ?? '', keyId ?? '', endUser ?? ''];
}
