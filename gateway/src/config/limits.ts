/** Limits of tiers, organizations and keys, with the ids that they are known by, bound to those whose use they add up. */
import type { BoundLimit, Limit } from '../policy/limit.ts';
import type { LimitRule } from './limit-rule.ts';
import type { Path, Problem } from './problem.ts';
import type { Source } from './source.ts';

export interface LimitBook {
  /** Every limit added so far. */
  readonly limits: readonly Limit[];
  /** Names chosen by hand that are taken. */
  readonly problems: readonly Problem[];
  /** The limits for the rules written at `path`; ids begin with `owner`. */
  add(owner: string, rules: readonly LimitRule[], path: Path): Limit[];
}

/**
 * Ids are unique over the configuration. Those made from the limit get `-2`, `-3` when they are taken, in the order of the file;
 * those chosen by hand are promised to stay, so a second one is a problem. Add hand-named owners and others in a fixed order:
 * ids must not change when a file is read again.
 */
export function limitBook(source: Source): LimitBook {
  const limits: Limit[] = [];
  const problems: Problem[] = [];
  const taken = new Set<string>();
  const idOf = (owner: string, rule: LimitRule, path: Path): string => {
    const wanted = `${owner}.${rule.slug}`;
    if (rule.named && taken.has(wanted))
      problems.push(source.problem([...path, 'name'], `the limit ${wanted} exists already`));
    let id = wanted;
    for (let nth = 2; taken.has(id); nth++) id = `${wanted}-${nth}`;
    taken.add(id);
    return id;
  };
  return {
    limits,
    problems,
    add(owner, rules, path) {
      const added = rules.map(({ slug: _slug, named: _named, ...rule }, index): Limit => {
        const at = [...path, index];
        const { file, line } = source.problem(at, '');
        return { ...rule, id: idOf(owner, rules[index]!, at), source: `${file}:${line}` };
      });
      limits.push(...added);
      return added;
    },
  };
}

/** The limit as it counts the use of `subject`. */
export function bind(limit: Limit, subject: string): BoundLimit {
  return { limit, subject, counter: `${limit.id}@${subject}` };
}
