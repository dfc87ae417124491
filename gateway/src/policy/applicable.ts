/**
 * Which limits bind a call: those written at its tier, organization, team, user, key and model, each bound to the one whose use it
 * adds up.
 *
 * Subjects are put together from names without dots and colons: organization `acme`, team `acme.teams.search`, user
 * `acme.users.alice`, key `acme.web`, end user `acme.endUsers.<name>`, tier `pro`, model `chat`; and what one of them uses of one
 * model, `acme.web:chat`. A limit has one level, so no two of its subjects are the same text.
 *
 * Invariants
 *  (1) What binds a call to one model is found on the first such call, and kept; finding it again allocates nothing.
 *  (2) One limit of one subject is one object for all callers that share it, so that memory follows the subjects in use.
 *  (3) A limit for a team or user, or an end user, binds no call that has none.
 */
import type { BoundLimit, Level, Limit } from './limit.ts';

/** Where a limit is written. Decides whose use of a model `per: model` adds up: the owner's; of a tier, the organization's. */
export type Place = 'tier' | 'organization' | 'team' | 'user' | 'key' | 'model';

/** A limit at the place where it is written. */
export interface Rule {
  readonly limit: Limit;
  readonly place: Place;
  /** The models whose calls it counts; null: all. */
  readonly models: ReadonlySet<string> | null;
}

/** A limit with one whose use it adds up, and of which models. */
export interface Counted {
  readonly bound: BoundLimit;
  readonly models: ReadonlySet<string> | null;
  /** Whose use it adds up: for a limit on each model, the one who owns the place it is written at. */
  readonly owner: Level;
}

/** Who calls, as far as limits tell callers apart. */
export interface Member {
  readonly tier: string;
  readonly organization: string;
  readonly team: string | null;
  readonly user: string | null;
  readonly keyId: string;
  /** The models that may be called. */
  readonly models: ReadonlySet<string>;
}

/** The rules of a configuration that every caller shares, and the limits that are bound already. */
export class SharedLimits {
  /** By the name of the model at which they are written. */
  readonly ofModels: ReadonlyMap<string, readonly Rule[]>;
  readonly #bound = new Map<string, BoundLimit>();

  constructor(ofModels: ReadonlyMap<string, readonly Rule[]>) {
    this.ofModels = ofModels;
  }

  /** The limit as it counts the use of `subject`; the same object each time. */
  bind(limit: Limit, subject: string, shard: string): BoundLimit {
    const counter = counterOf(limit, subject);
    let bound = this.#bound.get(counter);
    if (bound === undefined) {
      bound = { limit, subject, counter, shard };
      this.#bound.set(counter, bound);
    }
    return bound;
  }
}

/** What binds the calls to one model. */
interface Resolved {
  /** Empty: every model, where it makes no difference. */
  readonly model: string;
  /** All that are known without the end user, in order. */
  readonly limits: readonly BoundLimit[];
  /** Limits for each end user, which stand at `endUsersAt` in the order. */
  readonly ofEndUsers: readonly Limit[];
  readonly endUsersAt: number;
  readonly countsCost: boolean;
}

/** One for all, since most keys of many are not in use. */
const NOTHING_YET: readonly Resolved[] = [];

/** The limits of one caller. Built for every key, so it resolves nothing before it is asked. */
export class ApplicableLimits {
  readonly #member: Member;
  readonly #rules: readonly (readonly Rule[])[];
  readonly #shared: SharedLimits;
  /** Whether rules other than those of models depend on the model. */
  readonly #byModel: boolean;
  /** Few models are called with one key, so a list is smaller than a map and no slower; it is copied so that it has no spare room. */
  #resolved: readonly Resolved[] = NOTHING_YET;

  /** `rules` are those of the member's tier, organization, team, user and key, each list as it is shared with others. */
  constructor(member: Member, rules: readonly (readonly Rule[])[], shared: SharedLimits) {
    this.#member = member;
    this.#rules = rules;
    this.#shared = shared;
    this.#byModel = rules.some((list) => list.some(({ limit, models }) => models !== null || limit.per === 'model'));
  }

  /**
   * Every limit that binds a call to `model`: the organization's first, then team, user, key and end user, then what
   * organizations share. `endUser` is a name from `EndUsers`, or null when the call names nobody.
   */
  of(model: string, endUser: string | null): readonly BoundLimit[] {
    const { limits, ofEndUsers, endUsersAt } = this.#of(model);
    if (endUser === null || ofEndUsers.length === 0) return limits;
    const all = limits.slice(0, endUsersAt);
    for (const limit of ofEndUsers) all.push(this.bindEndUser(limit, endUser));
    for (let index = endUsersAt; index < limits.length; index++) all.push(limits[index]!);
    return all;
  }

  /** Whether a limit on cost may bind a call to `model`, so that an unknown price matters. */
  countsCost(model: string): boolean {
    return this.#of(model).countsCost;
  }

  /** Every limit that can bind a call of this caller to any model, for each subject but end users. Made anew each time. */
  every(): BoundLimit[] {
    return this.counted().map(({ bound }) => bound);
  }

  /** The same, each with the models whose calls it counts; null: all. */
  counted(): Counted[] {
    return this.#reaching().flatMap((rule): Counted[] => {
      if (rule.limit.per === 'endUser') return [];
      if (rule.limit.per !== 'model') {
        return [{ bound: this.#bind(rule, ''), models: rule.models, owner: rule.limit.per }];
      }
      const models = [...this.#member.models].filter((model) => counts(rule, model));
      const owner = rule.place === 'tier' ? 'organization' : rule.place;
      return models.map((model) => ({ bound: this.#bind(rule, model), models: new Set([model]), owner }));
    });
  }

  /** The limits for each end user that can bind a call of this caller, each with whose calls it counts. */
  countedByEndUser(): { readonly rule: Rule; readonly owner: Level }[] {
    const rules = this.#reaching().filter(({ limit }) => limit.per === 'endUser');
    return rules.map((rule) => ({ rule, owner: rule.place === 'tier' ? 'organization' : rule.place }));
  }

  /** The limit as it counts one end user of this caller's organization. */
  bindEndUser(limit: Limit, endUser: string): BoundLimit {
    const { organization } = this.#member;
    const subject = `${organization}.endUsers.${endUser}`;
    return { limit, subject, counter: counterOf(limit, subject), shard: `org:${organization}` };
  }

  /** Every limit that can bind a call of this caller, those for each end user included. */
  limits(): Limit[] {
    return this.#reaching().map(({ limit }) => limit);
  }

  #of(model: string): Resolved {
    const key = this.#byModel || this.#shared.ofModels.has(model) ? model : '';
    const resolved = this.#resolved;
    for (let index = 0; index < resolved.length; index++) {
      if (resolved[index]!.model === key) return resolved[index]!;
    }
    const found = this.#resolve(model, key);
    this.#resolved = [...resolved, found];
    return found;
  }

  #resolve(model: string, key: string): Resolved {
    const rules = [...this.#rules, this.#shared.ofModels.get(model) ?? []]
      .flat()
      .filter((rule) => counts(rule, model) && isReached(rule.limit.per, this.#member))
      .sort((a, b) => rankOf(a) - rankOf(b));
    const rest = rules.filter(({ limit }) => limit.per !== 'endUser');
    const before = rest.findIndex((rule) => rankOf(rule) > RANK.endUser);
    return {
      model: key,
      limits: rest.map((rule) => this.#bind(rule, model)),
      ofEndUsers: rules.filter(({ limit }) => limit.per === 'endUser').map(({ limit }) => limit),
      endUsersAt: before === -1 ? rest.length : before,
      countsCost: rules.some(({ limit }) => limit.dimension === 'cost'),
    };
  }

  /** Rules that bind a call of this caller to some model. */
  #reaching(): Rule[] {
    const { models } = this.#member;
    const rules = this.#rules.flat();
    for (const [model, written] of this.#shared.ofModels) if (models.has(model)) rules.push(...written);
    return rules.filter((rule) => isReached(rule.limit.per, this.#member) && isAny(rule.models, models));
  }

  #bind({ limit, place }: Rule, model: string): BoundLimit {
    const member = this.#member;
    const { organization, tier } = member;
    if (limit.per === 'tier') return this.#shared.bind(limit, tier, `tier:${tier}`);
    if (limit.per === 'model' && place === 'model') return this.#shared.bind(limit, model, `model:${model}`);
    const shard = `org:${organization}`;
    const subject = limit.per === 'model' ? `${subjectOf(place, member)}:${model}` : subjectOf(limit.per, member);
    // What belongs to one key is kept with it alone.
    if (limit.per === 'key' || (limit.per === 'model' && place === 'key'))
      return { limit, subject, counter: counterOf(limit, subject), shard };
    return this.#shared.bind(limit, subject, shard);
  }
}

/** The counter's name in every store. */
export function counterOf(limit: Limit, subject: string): string {
  return `${limit.id}@${subject}`;
}

const RANK: Readonly<Record<Level, number>> = {
  organization: 0,
  team: 1,
  user: 2,
  key: 3,
  endUser: 4,
  tier: 5,
  model: 6,
  target: 7,
};

/** Where a rule stands in the order: one for each model stands with whose use it is. */
function rankOf({ limit, place }: Rule): number {
  if (limit.per !== 'model' || place === 'model') return RANK[limit.per];
  return place === 'tier' ? RANK.organization : RANK[place];
}

function subjectOf(owner: Level, { organization, team, user, keyId }: Member): string {
  switch (owner) {
    case 'team':
      return `${organization}.teams.${team}`;
    case 'user':
      return `${organization}.users.${user}`;
    case 'key':
      return keyId;
    default:
      return organization;
  }
}

function counts({ models }: Rule, model: string): boolean {
  return models === null || models.has(model);
}

function isReached(per: Level, { team, user }: Member): boolean {
  if (per === 'team') return team !== null;
  return per === 'user' ? user !== null : true;
}

function isAny(models: ReadonlySet<string> | null, of: ReadonlySet<string>): boolean {
  return models === null || !models.isDisjointFrom(of);
}
