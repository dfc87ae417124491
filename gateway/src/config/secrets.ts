/** Credentials from the configuration and the files it names. No message holds a secret. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Path, Problem } from './problem.ts';
import type { Source } from './source.ts';
import { at, entries } from './tree.ts';

export interface Secrets {
  /** By the name of the provider; absent when it has none. */
  readonly apiKeys: ReadonlyMap<string, string>;
  /** Of the store of limits, when it is written apart from the URL. */
  readonly limitsPassword: string | null;
  /** The certificates, in PEM, that vouch for the store of limits. No secret, but as much a matter of trust. */
  readonly limitsCa: string | null;
  readonly problems: readonly Problem[];
}

/**
 * Reads every credential; paths are relative to `directory`. White space around a key in a file is not part of it.
 * They are found in the data as written, so that a mistake elsewhere does not hide one of them.
 */
export function readSecrets(source: Source, directory: string): Secrets {
  const problems: Problem[] = [];
  const refuse = (path: Path, text: string) => problems.push(source.problem(path, text));
  const contents = (file: string, path: Path): string | null => {
    try {
      return readFileSync(resolve(directory, file), 'utf8').trim();
    } catch (error) {
      refuse(path, `the file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
      return null;
    }
  };
  const secretAt = (path: Path): string | null => {
    const written = at(source.data, ...path);
    const file = at(written, 'file');
    const secret = typeof file === 'string' ? contents(file, [...path, 'file']) : written;
    return typeof secret === 'string' && secret !== '' ? secret : null;
  };

  const apiKeys = new Map<string, string>();
  for (const [name] of entries(at(source.data, 'providers'))) {
    const path = ['providers', name, 'apiKey'];
    const secret = secretAt(path);
    if (secret === null) continue;
    apiKeys.set(name, secret);
    if (!/^[\x21-\x7e]+$/.test(secret)) {
      refuse(path, 'the key holds white space or other characters that no header can carry');
    }
  }
  const caPath = ['stores', 'limits', 'ca'];
  const caFile = at(source.data, ...caPath);
  const limitsCa = typeof caFile === 'string' ? contents(caFile, caPath) : null;
  if (limitsCa !== null && !limitsCa.includes('-----BEGIN CERTIFICATE-----')) {
    refuse(caPath, 'the file holds no certificate in PEM');
  }
  return { apiKeys, limitsPassword: secretAt(['stores', 'limits', 'password']), limitsCa, problems };
}
