/** The programs of the story: started, awaited until they serve, and stopped with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** How long a program may take to serve, and to end, in milliseconds. */
const START_MS = 30_000;
const END_MS = 5_000;

export interface Program {
  /** As people call it. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Finds in a line of its output the URL at which it serves. */
  readonly url: (line: string) => string | undefined;
}

export class Children implements AsyncDisposable {
  readonly #running = new Set<ChildProcess>();

  /** Resolves with the program's URL once it serves. @throws what it wrote, when it does not. */
  async start({ name, command, args, env, url }: Program): Promise<string> {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.#running.add(child);
    let written = '';
    child.stderr.on('data', (bytes) => (written += bytes));
    const serving = Promise.withResolvers<string>();
    const fail = (how: string) => serving.reject(new Error(`the ${name} ${how}\n${written.trim()}`));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = url(line);
      if (found !== undefined) serving.resolve(found);
    });
    child.once('error', (error) => {
      this.#running.delete(child);
      fail(`could not be started: ${error.message}`);
    });
    child.once('close', (code) => {
      this.#running.delete(child);
      fail(`ended with code ${code}`);
    });
    const late = setTimeout(fail, START_MS, `did not serve within ${START_MS / 1000} s`);
    try {
      return await serving.promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** Ends all of them, the last one started first. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ends = [...this.#running].reverse().map(async (child) => {
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), END_MS);
      await closed;
      clearTimeout(hard);
    });
    await Promise.all(ends);
  }
}
