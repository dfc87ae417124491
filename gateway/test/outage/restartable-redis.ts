/** A Redis that can be killed and started again in the same place, with or without what it knew. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisAddress } from '../../src/stores/redis/connection.ts';
import { type RedisServer, startRedis } from '../fakes/redis-server.ts';

export interface RestartableRedis extends AsyncDisposable {
  readonly port: number;
  readonly address: RedisAddress;
  /** Runs a command as a user who may do everything, whatever the others may, and gives its raw output. */
  admin(...command: string[]): string;
  kill(): Promise<void>;
  /** Starts it again: as it was, for everything it answered to was on the disk; or empty. */
  restart(how: 'as it was' | 'empty'): Promise<void>;
  pause(): void;
  resume(): void;
}

const ADMIN = ['--user', 'admin', '--pass', 'admin'];

/** `config`: more lines of its configuration file. */
export async function startRestartableRedis(config: readonly string[] = []): Promise<RestartableRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-redis-data-'));
  const lines = [
    `dir ${directory}`,
    'appendonly yes',
    'appendfsync always',
    'user admin on >admin ~* &* +@all',
    ...config,
  ];
  let server: RedisServer = await startRedis({ config: lines });
  const { port, address } = server;
  return {
    port,
    address,
    admin(...command) {
      const said = server.cli(...ADMIN, ...command).trim();
      if (/^[A-Z]{3,} /.test(said)) throw new Error(`redis-server: ${said}`);
      return said;
    },
    kill: () => server.kill(),
    async restart(how) {
      await server[Symbol.asyncDispose]();
      if (how === 'empty')
        for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
      server = await startRedis({ config: lines, port });
    },
    pause: () => server.pause(),
    resume: () => server.resume(),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
