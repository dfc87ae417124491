/** Patterns over the names of models: `gpt-*`. Pure. */

/** The names that are in `patterns`, or match one of them; `*` stands for any text, also none. All of them when there are none. */
export function matching(names: readonly string[], patterns: readonly string[] | null): string[] {
  if (patterns === null) return [...names];
  const tests = patterns.map(expression);
  return names.filter((name) => tests.some((test) => test.test(name)));
}

function expression(pattern: string): RegExp {
  return new RegExp(`^${pattern.split('*').map(RegExp.escape).join('.*')}$`);
}

/** Patterns that match something of `names`, made from `pattern` by putting right what stands before its first `*`. */
export function similarPatterns(pattern: string, names: readonly string[]): string[] {
  const star = pattern.indexOf('*');
  if (star < 1) return [];
  return [...new Set(names.map((name) => name.slice(0, star) + pattern.slice(star)))];
}
