/** What is wrong in a configuration, and where: the words in which every mistake is reported. */
import { closest, distance } from 'fastest-levenshtein';

/** The way from the root of the configuration to a value. */
export type Path = readonly (string | number)[];

export interface Problem {
  readonly file: string;
  /** From 1; null when the file as a whole is meant. */
  readonly line: number | null;
  readonly column: number | null;
  /** `tiers.pro.limits[0].requests`; empty for a mistake of the file's syntax. */
  readonly path: string;
  /** Holds no value of a secret, whatever the file holds. */
  readonly text: string;
}

/** `headgate.yaml:12:5: tiers.pro.limits[0].requets: unknown key; did you mean "requests"?` */
export function problemLine(problem: Problem): string {
  const place = problem.line === null ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  return [place, problem.path, problem.text].filter((part) => part !== '').join(': ');
}

/** In the order of the file. */
export function inFileOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

/** `tiers.pro.limits[0]`; names that are no plain words are quoted: `models["gpt-4.1"]`. */
export function pathText(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** `; did you mean "requests"?` when a known name is near the given one, else nothing. */
export function didYouMean(given: string, known: readonly string[]): string {
  const nearest = nearestName(given, known);
  return nearest === null ? '' : `; did you mean "${nearest}"?`;
}

/** The known name that is near enough the given one to be meant; null when none is. */
export function nearestName(given: string, known: readonly string[]): string | null {
  if (known.length === 0) return null;
  const lower = given.toLowerCase();
  const index = known.map((name) => name.toLowerCase());
  const nearest = closest(lower, index);
  // A third of the letters may be wrong, as far as three: beyond that the suggestion is noise.
  const tolerated = Math.min(3, Math.max(1, Math.floor(given.length / 3)));
  return distance(lower, nearest) <= tolerated ? known[index.indexOf(nearest)]! : null;
}

/** The suggestion when there is one, else what was possible. */
export function orElse(given: string, known: readonly string[], expected: string): string {
  const suggestion = didYouMean(given, known);
  if (suggestion !== '' || known.length === 0) return suggestion;
  return `; expected ${expected}${known.join(', ')}`;
}
