/** The schema's complaints in our words: what is missing, empty, unknown or of the wrong kind, and what was meant. */
import type { z } from 'zod';
import { didYouMean, type Path, type Problem } from './problem.ts';
import type { Source } from './source.ts';
import { at } from './tree.ts';

export function problemsOf(issues: readonly z.core.$ZodIssue[], source: Source): Problem[] {
  return issues.flatMap((issue) => {
    const path = issue.path as Path;
    switch (issue.code) {
      case 'unrecognized_keys': {
        const texts = issue.message.split('\n');
        return issue.keys.map((key, index) => source.problem([...path, key], texts[index]!, 'name'));
      }
      case 'invalid_key':
        return [source.problem(path, issue.issues[0]!.message, 'name')];
      default:
        return [source.problem(path, valueText(issue, at(source.data, ...path), source.written(path)))];
    }
  });
}

function valueText(issue: z.core.$ZodIssue, value: unknown, written: string): string {
  const expected = issue.code === 'invalid_value' ? `expected ${issue.values.join(' or ')}` : issue.message;
  if (value === undefined) return issue.code === 'custom' ? expected : `missing; ${expected}`;
  if (value === null) return `empty; ${expected}`;
  if (issue.code !== 'invalid_value' || issue.values.length === 1) return expected;
  return expected + didYouMean(written, issue.values.map(String));
}
