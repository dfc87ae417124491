/** The ways a Redis is away (R12), each on a real server. */
import type { Scene } from './scene.ts';

export interface Fault {
  /** What the log says was wrong. */
  readonly cause: RegExp;
  begin(scene: Scene): unknown;
  end(scene: Scene): unknown;
}

export const FAULTS: Readonly<Record<string, Fault>> = {
  stopped: {
    cause: /^(not connected|connection refused)$/,
    begin: ({ redis }) => redis.kill(),
    end: ({ redis }) => redis.restart('as it was'),
  },
  paused: {
    cause: /^no answer in time$/,
    begin: ({ redis }) => redis.pause(),
    end: ({ redis }) => redis.resume(),
  },
  '2 s slow': {
    cause: /^no answer in time$/,
    begin: ({ link }) => link.delay(2000),
    end: ({ link }) => link.restore(),
  },
  'out of reach': {
    cause: /^no answer in time$/,
    begin: ({ link }) => link.delay(Number.POSITIVE_INFINITY),
    end: ({ link }) => link.restore(),
  },
  'cut off': {
    cause: /^not connected$/,
    begin: ({ link }) => link.cut(),
    end: ({ link }) => link.restore(),
  },
  'forbidding every command': {
    cause: /^a command is not permitted$/,
    begin: ({ redis }) => redis.admin('ACL', 'SETUSER', 'default', '-@all'),
    end: ({ redis }) => redis.admin('ACL', 'SETUSER', 'default', '+@all'),
  },
  'out of memory': {
    cause: /^the server is out of memory$/,
    begin: ({ redis }) => redis.admin('CONFIG', 'SET', 'maxmemory', '1'),
    end: ({ redis }) => redis.admin('CONFIG', 'SET', 'maxmemory', '0'),
  },
  'a read-only replica': {
    cause: /^(the server is a read-only replica|not connected)$/,
    begin: ({ redis }) => redis.admin('REPLICAOF', '127.0.0.1', '1'),
    end: ({ redis }) => redis.admin('REPLICAOF', 'NO', 'ONE'),
  },
};
