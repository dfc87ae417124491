/**
 * Virtual environments for tests that drive Headgate from Python, kept in the repository's .cache between runs. One for each
 * set of packages and version of Python; made beside its place and moved there whole, so that tests that run at the
 * same time never see half of one.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const CACHE = join(import.meta.dirname, '../../../.cache/python');
const INSTALL_MS = 180_000;

export interface PythonOptions {
  /** Pinned: `openai==3.54.0`. */
  readonly packages: readonly string[];
}

/** The interpreter of an environment with these packages; null when Python or pip is not there or the packages cannot be had. */
export function python({ packages }: PythonOptions): string | null {
  const version = run('python3', ['--version']);
  if (version === null) return null;
  const name = createHash('sha256')
    .update([version, ...packages].join('\n'))
    .digest('hex')
    .slice(0, 16);
  const place = join(CACHE, name);
  const interpreter = join(place, 'bin', 'python');
  if (existsSync(interpreter)) return interpreter;
  const draft = `${place}.${process.pid}`;
  mkdirSync(CACHE, { recursive: true });
  try {
    if (run('python3', ['-m', 'venv', draft]) === null) return null;
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages];
    if (run(join(draft, 'bin', 'python'), pip) === null) return null;
    moveInto(draft, place);
    return interpreter;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** The lines of a requirements file, without comments. */
export function requirementsIn(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** Whoever made the same environment first has made it for both. */
function moveInto(draft: string, place: string): void {
  try {
    renameSync(draft, place);
  } catch (error) {
    if (!existsSync(place)) throw error;
  }
}

function run(command: string, args: readonly string[]): string | null {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', timeout: INSTALL_MS });
  return status === 0 ? stdout : null;
}
