/** Credentials from the configuration and the files it names. No message holds a secret. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Problem } from './problem.ts';
import type { Source } from './source.ts';
import { at, entries } from './tree.ts';

export interface Secrets {
  /** By the name of the provider; absent when it has none. */
  readonly apiKeys: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

/**
 * Reads every provider's key; paths are relative to `directory`. White space around a key in a file is not part of it.
 * Keys are found in the data as written, so that a mistake elsewhere does not hide one of them.
 */
export function readSecrets(source: Source, directory: string): Secrets {
  const apiKeys = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [name, provider] of entries(at(source.data, 'providers'))) {
    const path = ['providers', name, 'apiKey'];
    const written = at(provider, 'apiKey');
    const file = at(written, 'file');
    try {
      const secret = typeof file === 'string' ? readFileSync(resolve(directory, file), 'utf8').trim() : written;
      if (typeof secret !== 'string' || secret === '') continue;
      apiKeys.set(name, secret);
      if (/^[\x21-\x7e]+$/.test(secret)) continue;
      problems.push(source.problem(path, 'the key holds white space or other characters that no header can carry'));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      problems.push(source.problem([...path, 'file'], `the file cannot be read (${code})`));
    }
  }
  return { apiKeys, problems };
}
