/** Loading: from a file to a snapshot, or to everything that is wrong with it. Bad input is a value here, never a throw. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import { compile } from './compile.ts';
import { type Environment, PREFIX } from './env.ts';
import { problemsOf } from './issues.ts';
import { didYouMean, inFileOrder, type Problem } from './problem.ts';
import { danglingReferences } from './references.ts';
import { degradeCircles, membersOfTwoTeams, sharedHashes } from './relations.ts';
import { configSchema } from './schema.ts';
import { readSecrets } from './secrets.ts';
import type { Snapshot } from './snapshot.ts';
import { readSource, type Source } from './source.ts';

/** A snapshot, or at least one problem, in the order of the file. */
export type Loaded = { readonly snapshot: Snapshot } | { readonly problems: readonly Problem[] };

/** Reads `file`; `now` is the day whose prices apply. */
export function loadConfig(file: string, env: Environment, now: number = systemClock.now()): Loaded {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    return { problems: [ofFile(basename(file), `the file cannot be read (${code})`)] };
  }
  return loadText(text, { name: basename(file), directory: dirname(resolve(file)), env, now });
}

export interface Origin {
  /** The file as problems name it. */
  readonly name: string;
  /** What relative paths in it are relative to. */
  readonly directory: string;
  readonly env: Environment;
  readonly now: number;
}

/** As {@link loadConfig}, from text. */
export function loadText(text: string, { name, directory, env, now }: Origin): Loaded {
  const source = readSource(text, name, env);
  if (source.data === undefined) return { problems: inFileOrder(source.problems) };
  // A file caught while it is written anew is empty for a moment; taking it for a configuration would refuse every key.
  if (source.data === null) return { problems: [ofFile(name, 'the file is empty')] };
  const parsed = configSchema.safeParse(source.data);
  const secrets = readSecrets(source, directory);
  const problems = [
    ...source.problems,
    ...problemsOf(parsed.error?.issues ?? [], source),
    ...danglingReferences(source),
    ...sharedHashes(source),
    ...degradeCircles(source),
    ...membersOfTwoTeams(source),
    ...secrets.problems,
  ];
  if (!parsed.success || problems.length > 0) return { problems: inFileOrder(problems) };
  const version = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const compiled = compile(parsed.data, { source, directory, version, secrets, now });
  if ('problems' in compiled) return { problems: inFileOrder(compiled.problems) };
  const warnings = [...compiled.snapshot.warnings, ...unusedVariables(source, env)];
  return { snapshot: { ...compiled.snapshot, warnings } };
}

function unusedVariables(source: Source, env: Environment): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && env[name] !== undefined && !source.variables.has(name))
    .toSorted()
    .map((name) => {
      const suggestion = didYouMean(name, [...source.variables]);
      return `environment: ${name} is set but the configuration does not refer to it${suggestion}`;
    });
}

function ofFile(file: string, text: string): Problem {
  return { file, line: null, column: null, path: '', text };
}
