/**
 * Limits that can never be enforced as they are written: a limit that looks like a promise and binds nothing is worse than none, so
 * each is a mistake.
 */
import type { Model } from '../call.ts';
import type { Level } from '../policy/limit.ts';
import type { LimitRule } from './limit-rule.ts';
import { membershipOf, modelsOf, narrowed } from './members.ts';
import { matching } from './pattern.ts';
import type { Path, Problem } from './problem.ts';
import type { Config } from './schema.ts';
import type { Source } from './source.ts';

/** A key as far as it matters here. */
interface Member {
  readonly team: string | null;
  readonly user: string | null;
  readonly models: readonly string[];
}

/** Limits where they are written, with the calls that they could bind. */
interface Written {
  readonly path: Path;
  readonly limits: readonly LimitRule[];
  readonly models: readonly string[];
  readonly keys: readonly Member[];
  /** Whether they are a target's of which nobody knows the price. */
  readonly isUnpriced?: boolean;
}

export function limitsThatNeverBind(config: Config, compiled: ReadonlyMap<string, Model>, source: Source): Problem[] {
  const problems: Problem[] = [];
  for (const { path, limits, models, keys, isUnpriced } of places(config, compiled)) {
    for (const [index, rule] of limits.entries()) {
      const refuse = (key: string, text: string) => problems.push(source.problem([...path, index, key], text));
      const counted = matching(models, rule.models);
      if (rule.models !== null && counted.length === 0) {
        refuse('models', 'none of these models can be called here, so the limit never counts anything');
      }
      if (isOfNobody(rule.per, keys)) {
        refuse('per', `no key that this limit is for belongs to a ${rule.per}, so it never counts anything`);
      }
      if (rule.dimension === 'cost' && isUnpriced) {
        refuse('cost', 'the price of this target is unknown, so its cost is never counted; write one under price');
      }
      const without = counted.filter((name) => config.models[name]!.degradeTo === undefined);
      if (rule.onExceed === 'degrade' && without.length > 0) {
        refuse(
          'onExceed',
          `there is no degradeTo at ${listed(without)}; write one, or models without ${them(without)}`,
        );
      }
    }
  }
  return problems;
}

function* places(config: Config, compiled: ReadonlyMap<string, Model>): Iterable<Written> {
  const names = Object.keys(config.models);
  const members = new Map<string, Member[]>();
  for (const [name, organization] of Object.entries(config.organizations)) {
    const models = modelsOf(config, organization);
    const keys = Object.entries(organization.keys).map(([key, settings]) => ({
      key,
      limits: settings.limits,
      ...membershipOf(organization, settings),
      models: narrowed(models, settings.models),
    }));
    const path = ['organizations', name];
    members.set(name, keys);
    yield { path: [...path, 'limits'], limits: organization.limits, models, keys };
    for (const [team, { limits }] of Object.entries(organization.teams)) {
      if (limits.length === 0) continue;
      yield { path: [...path, 'teams', team, 'limits'], limits, models, keys: keys.filter((key) => key.team === team) };
    }
    for (const [user, { limits }] of Object.entries(organization.users)) {
      if (limits.length === 0) continue;
      yield { path: [...path, 'users', user, 'limits'], limits, models, keys: keys.filter((key) => key.user === user) };
    }
    for (const each of keys) yield { ...each, path: [...path, 'keys', each.key, 'limits'], keys: [each] };
  }
  for (const [id, { limits, models }] of Object.entries(config.tiers)) {
    const keys = Object.entries(config.organizations)
      .filter(([, { tier }]) => tier === id)
      .flatMap(([name]) => members.get(name)!);
    yield { path: ['tiers', id, 'limits'], limits, models: narrowed(names, models), keys };
  }
  const all = [...members.values()].flat();
  for (const [name, { limits, targets }] of Object.entries(config.models)) {
    const path = ['models', name];
    const keys = limits.length === 0 ? [] : all.filter(({ models }) => models.includes(name));
    yield { path: [...path, 'limits'], limits, models: [name], keys };
    for (const [index, target] of targets.entries()) {
      const isUnpriced = compiled.get(name)!.targets[index]!.prices === null;
      const where = [...path, 'targets', index, 'limits'];
      yield { path: where, limits: target.limits, models: [name], keys: [], isUnpriced };
    }
  }
}

/** Whether there are keys, and none of them has the team or user whose use would be added up. */
function isOfNobody(per: Level, keys: readonly Member[]): boolean {
  if (per !== 'team' && per !== 'user') return false;
  return keys.length > 0 && keys.every((key) => key[per] === null);
}

function listed(names: readonly string[]): string {
  return names.length === 1 ? `model ${names[0]}` : `models ${names.join(', ')}`;
}

function them(names: readonly string[]): string {
  return names.length === 1 ? 'it' : 'them';
}
