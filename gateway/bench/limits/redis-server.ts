/** A Redis for a scenario: on a free port, keeping nothing on disk. */
import { spawnSync } from 'node:child_process';
import { Redis } from 'ioredis';
import { freePort, launch, listening } from '../children.ts';

export function redisMissing(): string | null {
  const { error } = spawnSync('redis-server', ['--version']);
  return error === undefined ? null : 'redis-server is not installed';
}

export interface RedisServer {
  readonly port: number;
  readonly pids: readonly number[];
  /** How many scripts it has been asked to run: each is one round trip of a gateway. */
  scripts(): Promise<number>;
  close(): void;
}

export async function startRedis(folder: string, core: number | null): Promise<RedisServer> {
  const port = await freePort();
  const logFile = `${folder}/redis.log`;
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  const child = launch({ command: 'redis-server', args, logFile }, core);
  await listening(child, port, logFile);
  const asking = new Redis({ port, host: '127.0.0.1', disableClientInfo: true });
  return {
    port,
    pids: [child.pid!],
    scripts: async () => {
      const calls = (await asking.info('commandstats')).matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm);
      return calls.reduce((sum, [, count]) => sum + Number(count), 0);
    },
    close: () => asking.disconnect(),
  };
}
