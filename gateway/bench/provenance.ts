/** Where figures come from: everything needed to tell whether two runs may be compared. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import type { Cores } from './children.ts';

export interface Provenance {
  /** Null outside a git work tree. */
  readonly commit: string | null;
  readonly dirty: boolean | null;
  readonly lockfileSha256: string;
  /** Of the programs that produce the load and the answers. */
  readonly rigSha256: string;
  readonly node: string;
  readonly cpu: string;
  readonly cpuCount: number;
  readonly memoryMiB: number;
  readonly kernel: string;
  readonly cores: Cores | null;
  /** Over the minute before the run. */
  readonly loadAverage: number;
}

const root = new URL('../../', import.meta.url);
const RIG = ['upstream.ts', 'traffic.ts', 'load.ts', 'window.ts', 'connection.ts', 'http-reader.ts', 'worker.ts'];

function sha256(files: readonly URL[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}

function git(...args: string[]): string | null {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

export function provenance(cores: Cores | null): Provenance {
  const changes = git('status', '--porcelain');
  return {
    commit: git('rev-parse', 'HEAD'),
    dirty: changes === null ? null : changes !== '',
    lockfileSha256: sha256([new URL('package-lock.json', root)]),
    rigSha256: sha256(RIG.map((name) => new URL(name, import.meta.url))),
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpuCount: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    cores,
    loadAverage: loadavg()[0]!,
  };
}
