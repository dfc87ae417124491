/**
 * References from one part of the configuration to another: each must lead somewhere. They are followed in the data as
 * written, not in the schema's output, so that a mistake elsewhere does not hide them.
 */
import { matching, similarPatterns } from './pattern.ts';
import { didYouMean, orElse, type Path, type Problem } from './problem.ts';
import type { Source } from './source.ts';
import { at, entries, items } from './tree.ts';

/** Follows references, and collects those that lead nowhere. */
class References {
  readonly problems: Problem[] = [];
  readonly data: unknown;
  readonly #source: Source;

  constructor(source: Source) {
    this.data = source.data;
    this.#source = source;
  }

  /** The names that are given at a path, such as all models. */
  names(...path: Path): string[] {
    return entries(at(this.data, ...path)).map(([name]) => name);
  }

  /** The reference at `path` is one of `known`. */
  one(path: Path, kind: string, known: readonly string[]): void {
    const reference = at(this.data, ...path);
    if (typeof reference !== 'string' || known.includes(reference)) return;
    const suggestion = orElse(this.#source.written(path), known, 'one of ') || `; there are no ${kind}s`;
    this.refuse(path, `no ${kind} is named "${this.#source.written(path)}"${suggestion}`);
  }

  /** The references in the list at `path` are models, or all of them. */
  models(path: Path, known: readonly string[]): void {
    for (const [index, model] of items(at(this.data, ...path))) {
      if (model !== '*') this.one([...path, index], 'model', known);
    }
  }

  /** Each pattern that a limit at `path` has matches a model. */
  patterns(path: Path, known: readonly string[]): void {
    for (const [limit] of items(at(this.data, ...path))) {
      for (const [index, pattern] of items(at(this.data, ...path, limit, 'models'))) {
        const here = [...path, limit, 'models', index];
        if (typeof pattern !== 'string' || matching(known, [pattern]).length > 0) continue;
        if (!pattern.includes('*')) this.one(here, 'model', known);
        else this.refuse(here, this.#noMatch(this.#source.written(here), known));
      }
    }
  }

  refuse(path: Path, text: string): void {
    this.problems.push(this.#source.problem(path, text));
  }

  /** `pattern` as it is written: what a variable holds may be a secret. */
  #noMatch(pattern: string, known: readonly string[]): string {
    const suggestion = didYouMean(pattern, similarPatterns(pattern, known)) || `; the models are ${known.join(', ')}`;
    return `no model matches "${pattern}"${known.length === 0 ? '; there are no models' : suggestion}`;
  }
}

export function danglingReferences(source: Source): Problem[] {
  const references = new References(source);
  const models = references.names('models');
  const tiers = references.names('tiers');
  followModels(references, models);
  for (const name of tiers) {
    const path = ['tiers', name];
    references.models([...path, 'models'], models);
    references.patterns([...path, 'limits'], models);
    const upgrade = [...path, 'upgrade', 'to'];
    references.one(upgrade, 'tier', tiers);
    if (at(source.data, ...upgrade) === name) references.refuse(upgrade, 'a tier is no upgrade of itself');
  }
  for (const name of references.names('organizations')) {
    references.one(['organizations', name, 'tier'], 'tier', tiers);
    followOrganization(references, ['organizations', name], models);
  }
  return references.problems;
}

function followModels(references: References, models: readonly string[]): void {
  const providers = references.names('providers');
  for (const name of models) {
    const path = ['models', name];
    references.one([...path, 'degradeTo'], 'model', models);
    references.patterns([...path, 'limits'], models);
    for (const [index] of items(at(references.data, ...path, 'targets'))) {
      const target = [...path, 'targets', index];
      references.one([...target, 'provider'], 'provider', providers);
      references.patterns([...target, 'limits'], models);
    }
  }
}

function followOrganization(references: References, path: Path, models: readonly string[]): void {
  const teams = references.names(...path, 'teams');
  const users = references.names(...path, 'users');
  references.models([...path, 'models'], models);
  references.patterns([...path, 'limits'], models);
  for (const team of teams) references.patterns([...path, 'teams', team, 'limits'], models);
  for (const user of users) {
    references.one([...path, 'users', user, 'team'], 'team', teams);
    references.patterns([...path, 'users', user, 'limits'], models);
  }
  for (const name of references.names(...path, 'keys')) {
    const key = [...path, 'keys', name];
    references.one([...key, 'team'], 'team', teams);
    references.one([...key, 'user'], 'user', users);
    references.models([...key, 'models'], models);
    references.patterns([...key, 'limits'], models);
  }
}
