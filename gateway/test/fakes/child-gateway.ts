/** `headgate serve` in a process of its own, for what only a process can show: its memory, its signals and its death. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface ChildGateway {
  readonly dataUrl: string;
  readonly adminUrl: string;
  readonly configFile: string;
  readonly pid: number;
  /** Its exit code once it is gone; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** The configuration file's text for everything but `listen` and `stores`. */
  text(yaml: string): string;
  /** The lines it has logged so far, each a JSON object. */
  readonly log: readonly string[];
  signal(name: NodeJS.Signals): void;
  /** Its resident memory, in bytes. */
  rss(): number;
  /** Kills it with SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Its ledger is `<directory>/ledger.db`, as that of a test gateway there is. `yaml`: everything but `listen` and `stores`;
 * `listen` and `stores`: more members of those, as YAML flow text.
 */
export async function startChildGateway(
  directory: string,
  yaml: string,
  listen = '',
  stores = '',
): Promise<ChildGateway> {
  const configFile = join(directory, 'child.yaml');
  const more = (members: string) => (members === '' ? '' : `, ${members}`);
  const head = `listen: { data: "127.0.0.1:0", admin: "127.0.0.1:0"${more(listen)} }\nstores: { ledger: "sqlite:${directory}/ledger.db"${more(stores)} }\n`;
  const text = (more: string) => head + more;
  writeFileSync(configFile, text(yaml));
  const child = spawn(process.execPath, [CLI, 'serve', '-c', configFile, '--no-log-requests'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(child, 'close') as Promise<[number | null]>;
  let dataUrl = '';
  let adminUrl = '';
  const log: string[] = [];
  // Read to its end: a full pipe would block the child.
  const lines = createInterface({ input: child.stdout });
  const serving = new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      log.push(line);
      const { data, admin } = JSON.parse(line) as { data?: string; admin?: string };
      if (data === undefined || admin === undefined) return;
      dataUrl = data;
      adminUrl = admin;
      resolve();
    });
    void gone.then(() => reject(new Error('the gateway ended before it served')));
  });
  await serving;
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
  };
  return {
    dataUrl,
    adminUrl,
    configFile,
    pid: child.pid!,
    exited: gone.then(([code]) => code),
    text,
    log,
    signal: (name) => void child.kill(name),
    rss: () => Number(execFileSync('ps', ['-o', 'rss=', '-p', String(child.pid)], { encoding: 'utf8' })) * 1024,
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
