/** The limits of a configuration, with the ids that they are known by. */
import type { Algorithm } from '../policy/limit.ts';
import type { RuleAlgorithm } from './limit-algorithm.ts';
import type { LimitRule } from './limit-rule.ts';
import type { Path, Problem } from './problem.ts';
import type { ConfiguredLimit } from './snapshot.ts';
import type { Source } from './source.ts';

export interface LimitBook {
  /** Every limit added so far. */
  readonly limits: readonly ConfiguredLimit[];
  /** Names chosen by hand that are taken. */
  readonly problems: readonly Problem[];
  /** The limits for the rules written at `path`; ids begin with `owner`. */
  add(owner: string, rules: readonly LimitRule[], path: Path): ConfiguredLimit[];
}

/**
 * Ids are unique over the configuration. Those made from the limit get `-2`, `-3` when they are taken, in the order of the file;
 * those chosen by hand are promised to stay, so a second one is a problem. Add hand-named owners and others in a fixed order:
 * ids must not change when a file is read again. `leaseMs` is how long every place of a concurrency limit is held.
 */
export function limitBook(source: Source, leaseMs: number): LimitBook {
  const limits: ConfiguredLimit[] = [];
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
      const added = rules.map(({ slug: _slug, named: _named, algorithm, ...rule }, index): ConfiguredLimit => {
        const at = [...path, index];
        const { file, line } = source.problem(at, '');
        const id = idOf(owner, rules[index]!, at);
        return { ...rule, algorithm: leased(algorithm, leaseMs), id, source: `${file}:${line}` };
      });
      limits.push(...added);
      return added;
    },
  };
}

function leased(algorithm: RuleAlgorithm, leaseMs: number): Algorithm {
  return algorithm.kind === 'concurrency' ? { kind: 'concurrency', leaseMs } : algorithm;
}
