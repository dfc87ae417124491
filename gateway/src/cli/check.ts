/** `headgate check`: everything wrong with a configuration, or what it amounts to. */
import type { Model } from '../call.ts';
import type { Environment } from '../config/env.ts';
import { loadConfig } from '../config/load.ts';
import { problemLine } from '../config/problem.ts';
import type { Snapshot } from '../config/snapshot.ts';
import { limitInWords, priceInWords } from '../policy/words.ts';

export interface CheckOptions {
  readonly env: Environment;
  /** Takes whole lines, each with its line end. */
  readonly write: (text: string) => void;
}

/** Writes the report on `file` and answers the exit code: 0 when a gateway can run with it, else 1. */
export function check(file: string, { env, write }: CheckOptions): 0 | 1 {
  const loaded = loadConfig(file, env);
  if ('problems' in loaded) {
    for (const problem of loaded.problems) write(`error    ${problemLine(problem)}\n`);
    write(`\n${file} is not valid: ${counted(loaded.problems.length, 'problem')}.\n`);
    return 1;
  }
  const { snapshot } = loaded;
  for (const warning of snapshot.warnings) write(`warning  ${warning}\n`);
  if (snapshot.warnings.length > 0) write('\n');
  for (const line of summary(snapshot)) write(`${line}\n`);
  write(`\n${file} is valid: version ${snapshot.version}, ${counted(snapshot.warnings.length, 'warning')}.\n`);
  return 0;
}

function summary(snapshot: Snapshot): string[] {
  const keys = [...snapshot.callersByHash.values()];
  return [
    ...titled('models', [...snapshot.models.values()].flatMap(modelLines)),
    ...titled(
      'keys',
      keys.map(({ keyId, tier, models, limits, revoked, expiresAt }) => {
        const state = revoked
          ? ', revoked'
          : expiresAt === null
            ? ''
            : `, expires ${new Date(expiresAt).toISOString()}`;
        return `${keyId}: ${tier.name}, ${counted(models.size, 'model')}, ${counted(limits.limits().length, 'limit')}${state}`;
      }),
    ),
    ...titled(
      'limits',
      snapshot.limits.map((limit) => {
        const models = limit.models === null ? '' : `; only calls to ${limit.models.join(', ')}`;
        return `${limit.id}: ${limitInWords(limit)}${models}`;
      }),
    ),
  ];
}

function modelLines({ name, targets }: Model): string[] {
  return targets.map(({ id, prices }, index) => {
    const price =
      prices === null
        ? 'price unknown'
        : `${priceInWords(prices.input)} in, ${priceInWords(prices.output)} out USD per million tokens (${prices.source})`;
    return `${index === 0 ? name : `${name}, then`}: ${id}, ${price}`;
  });
}

function titled(title: string, lines: readonly string[]): string[] {
  return [`${title}: ${lines.length === 0 ? 'none' : ''}`.trimEnd(), ...lines.map((line) => `  ${line}`)];
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
