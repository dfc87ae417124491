/** Runs a program of the repository as a user does, and reads what it prints. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

export const ROOT = join(import.meta.dirname, '../../..');

export interface Ran {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Program implements AsyncDisposable {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #closed: Promise<number | null>;

  /** `path` is relative to the repository. Variables that are undefined are taken out of the environment. */
  constructor(path: string, args: readonly string[] = [], env: Readonly<Record<string, string | undefined>> = {}) {
    this.#child = spawn(process.execPath, [join(ROOT, path), ...args], {
      cwd: ROOT,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#closed = once(this.#child, 'close').then(([code]) => code);
  }

  /** Waits until standard output matches. @throws what it printed, when it ends without. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    let over = false;
    void this.#closed.then(() => (over = true));
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match !== null) return match;
      if (over) throw new Error(`never printed ${pattern}:\n${this.stdout}\n${this.stderr}`);
      await Promise.race([once(this.#child.stdout, 'data'), this.#closed]);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async ended(): Promise<Ran> {
    const code = await this.#closed;
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#closed;
  }
}
