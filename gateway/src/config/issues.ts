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
      case 'invalid_union': {
        // What is wrong within a map is said of its keys, where only one of the alternatives is a map.
        const value = at(source.data, ...path);
        const meant = issue.errors.filter((within) => !within.some(isOfAnotherKind));
        if (typeof value !== 'object' || value === null || meant.length !== 1) break;
        return problemsOf(
          meant[0]!.map((inner) => ({ ...inner, path: [...path, ...inner.path] })),
          source,
        );
      }
      case 'invalid_key':
        return [source.problem(path, issue.issues[0]!.message, 'name')];
    }
    return [source.problem(path, valueText(issue, at(source.data, ...path), source.written(path)))];
  });
}

/** Whether an alternative fails because it takes no map at all. */
function isOfAnotherKind({ code, path }: z.core.$ZodIssue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value' || code === 'invalid_union');
}

function valueText(issue: z.core.$ZodIssue, value: unknown, written: string): string {
  const expected = issue.code === 'invalid_value' ? `expected ${issue.values.join(' or ')}` : issue.message;
  if (value === undefined) return issue.code === 'custom' ? expected : `missing; ${expected}`;
  if (value === null) return `empty; ${expected}`;
  if (issue.code !== 'invalid_value' || issue.values.length === 1) return expected;
  return expected + didYouMean(written, issue.values.map(String));
}
