/**
 * References from one part of the configuration to another: each must lead somewhere. They are followed in the data as
 * written, not in the schema's output, so that a mistake elsewhere does not hide them.
 */
import { orElse, type Path, type Problem } from './problem.ts';
import type { Source } from './source.ts';
import { at, entries, items } from './tree.ts';

interface Names {
  readonly providers: readonly string[];
  readonly models: readonly string[];
  readonly tiers: readonly string[];
}

export function danglingReferences(source: Source): Problem[] {
  const data = source.data;
  const names: Names = {
    providers: entries(at(data, 'providers')).map(([name]) => name),
    models: entries(at(data, 'models')).map(([name]) => name),
    tiers: entries(at(data, 'tiers')).map(([name]) => name),
  };
  const problems: Problem[] = [];
  const check = (reference: unknown, kind: 'provider' | 'model' | 'tier', path: Path): void => {
    const known = names[`${kind}s`];
    if (typeof reference !== 'string' || known.includes(reference)) return;
    const suggestion = orElse(source.written(path), known, 'one of ') || `; there are no ${kind}s`;
    problems.push(source.problem(path, `no ${kind} is named "${source.written(path)}"${suggestion}`));
  };
  const checkModels = (models: unknown, path: Path): void => {
    for (const [index, model] of items(models)) if (model !== '*') check(model, 'model', [...path, index]);
  };

  for (const [name, model] of entries(at(data, 'models'))) {
    for (const [index, target] of items(at(model, 'targets'))) {
      check(at(target, 'provider'), 'provider', ['models', name, 'targets', index, 'provider']);
    }
  }
  for (const [name, tier] of entries(at(data, 'tiers'))) {
    checkModels(at(tier, 'models'), ['tiers', name, 'models']);
    const to = at(tier, 'upgrade', 'to');
    const path = ['tiers', name, 'upgrade', 'to'];
    check(to, 'tier', path);
    if (to === name) problems.push(source.problem(path, 'a tier is no upgrade of itself'));
  }
  for (const [name, organization] of entries(at(data, 'organizations'))) {
    check(at(organization, 'tier'), 'tier', ['organizations', name, 'tier']);
    checkModels(at(organization, 'models'), ['organizations', name, 'models']);
    for (const [key, settings] of entries(at(organization, 'keys'))) {
      checkModels(at(settings, 'models'), ['organizations', name, 'keys', key, 'models']);
    }
  }
  return problems;
}

/** Keys with the same hash: nobody could tell who calls. */
export function sharedHashes(source: Source): Problem[] {
  const owners = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [name, organization] of entries(at(source.data, 'organizations'))) {
    for (const [key, settings] of entries(at(organization, 'keys'))) {
      const hash = at(settings, 'hash');
      if (typeof hash !== 'string') continue;
      const owner = owners.get(hash.toLowerCase());
      if (owner === undefined) owners.set(hash.toLowerCase(), `${name}.${key}`);
      else {
        const path = ['organizations', name, 'keys', key, 'hash'];
        problems.push(source.problem(path, `the same hash as key ${owner}; every key needs a secret of its own`));
      }
    }
  }
  return problems;
}
