/** Callers by the hash of their key, with everything that follows from it, and the limits of all that they belong to. */
import type { Caller, Tier } from '../call.ts';
import { ApplicableLimits, type Place, type Rule, SharedLimits } from '../policy/applicable.ts';
import type { LimitRule } from './limit-rule.ts';
import type { LimitBook } from './limits.ts';
import { membershipOf, modelsOf, narrowed } from './members.ts';
import { matching } from './pattern.ts';
import type { Path } from './problem.ts';
import type { Config } from './schema.ts';
import type { ConfiguredLimit } from './snapshot.ts';

type Organization = Config['organizations'][string];

/** Adds the limits written at one place to the book, and answers them as rules. */
type Write = (place: Place, owner: string, limits: readonly LimitRule[], path: Path) => readonly Rule[];

/** `limitsOfModels` are in the book already. */
export function callersOf(
  config: Config,
  tiers: ReadonlyMap<string, Tier>,
  limitsOfModels: ReadonlyMap<string, readonly ConfiguredLimit[]>,
  book: LimitBook,
): Map<string, Caller> {
  const names = Object.keys(config.models);
  const write: Write = (place, owner, limits, path) =>
    book.add(owner, limits, path).map((limit) => ({ limit, place, models: setOf(names, limit.models) }));
  const ofTiers = new Map(
    Object.entries(config.tiers).map(([id, { limits }]) => [id, write('tier', id, limits, ['tiers', id, 'limits'])]),
  );
  const shared = sharedLimits(limitsOfModels);
  const callers = new Map<string, Caller>();
  for (const [name, organization] of Object.entries(config.organizations)) {
    const tier = tiers.get(organization.tier)!;
    const rules = rulesOf(name, organization, write);
    const allowed = modelsOf(config, organization);
    const all = new Set(allowed);
    for (const [key, settings] of Object.entries(organization.keys)) {
      const keyId = `${name}.${key}`;
      const { team, user } = membershipOf(organization, settings);
      const models = settings.models === undefined ? all : new Set(narrowed(allowed, settings.models));
      const lists = [
        ofTiers.get(tier.id)!,
        rules.organization,
        (team !== null && rules.teams.get(team)) || [],
        (user !== null && rules.users.get(user)) || [],
        write('key', keyId, settings.limits, ['organizations', name, 'keys', key, 'limits']),
      ];
      const member = { tier: tier.id, organization: name, team, user, keyId, models };
      callers.set(settings.hash, {
        keyId,
        organization: name,
        team,
        user,
        tier,
        models,
        expiresAt: settings.expires ?? null,
        revoked: settings.revoked,
        limits: new ApplicableLimits(member, lists, shared),
      });
    }
  }
  return callers;
}

function sharedLimits(limitsOfModels: ReadonlyMap<string, readonly ConfiguredLimit[]>): SharedLimits {
  const rules = [...limitsOfModels]
    .filter(([, limits]) => limits.length > 0)
    .map(([name, limits]): [string, Rule[]] => {
      const models = new Set([name]);
      return [name, limits.map((limit) => ({ limit, place: 'model', models }))];
    });
  return new SharedLimits(new Map(rules));
}

/** The rules of an organization, its teams and its users. */
function rulesOf(name: string, organization: Organization, write: Write) {
  const path = ['organizations', name];
  const each = (place: 'team' | 'user', kind: 'teams' | 'users') =>
    new Map(
      Object.entries(organization[kind]).map(([one, { limits }]) => [
        one,
        write(place, `${name}.${kind}.${one}`, limits, [...path, kind, one, 'limits']),
      ]),
    );
  return {
    organization: write('organization', name, organization.limits, [...path, 'limits']),
    teams: each('team', 'teams'),
    users: each('user', 'users'),
  };
}

function setOf(names: readonly string[], patterns: readonly string[] | null): ReadonlySet<string> | null {
  return patterns === null ? null : new Set(matching(names, patterns));
}
