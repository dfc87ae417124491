/** Whether a server can do what the limits need, in words that say what to change. */
import { type Connection, unavailable } from './connection.ts';
import { isBlocked } from './scripts.ts';
import type { Sweeper } from './sweeper.ts';

/** A server that will not do, however long one waits. */
export class RedisUnsuitable extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RedisUnsuitable';
  }
}

const OLDEST = [6, 2] as const;

/** Why the server does not let this gateway in, in words without any secret; null when `error` is something else. */
export function turnedAway(error: unknown): RedisUnsuitable | null {
  if (!(error instanceof Error) || !/^(NOAUTH|WRONGPASS)/.test(error.message)) return null;
  return new RedisUnsuitable(
    'the limit store does not let this gateway in: its user or password is wrong or missing ' +
      '(write them in the URL, or the password as stores: { limits: { url, password } })',
  );
}

/** Throws RedisUnsuitable, or StoreUnavailable when there is no answer. */
export async function assertSuitable(connection: Connection, sweeper: Sweeper, db: number): Promise<void> {
  await assertDatabase(connection, db);
  const version = await versionOf(connection);
  const [major = 0, minor = 0] = version?.split('.').map(Number) ?? OLDEST;
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw new RedisUnsuitable(`Redis ${version} is too old for the limits: they need Redis 6.2 or newer, or Valkey`);
  }
  try {
    await sweeper.beat();
  } catch (error) {
    if (!isBlocked(error)) throw unavailable(error);
    throw new RedisUnsuitable(
      'the server forbids EVAL and EVALSHA, and the limits need one of them to be exact: allow it for this user ' +
        '(ACL SETUSER <user> +eval +evalsha), take another server, or count in memory (stores: { limits: memory })',
    );
  }
}

/** The driver goes on with database 0 where another does not exist, which may be somebody else's. */
async function assertDatabase(connection: Connection, db: number): Promise<void> {
  if (db === 0) return;
  try {
    await connection.call('select', [String(db)]);
  } catch (error) {
    if (!(error instanceof Error) || !/out of range|not allowed/i.test(error.message)) throw unavailable(error);
    throw new RedisUnsuitable(`the server has no database ${db}: use one that it has, or raise its 'databases'`);
  }
}

/** Null when the server does not tell. */
async function versionOf(connection: Connection): Promise<string | null> {
  try {
    const info = await connection.info('server');
    return /^redis_version:([\d.]+)/m.exec(info)?.[1] ?? null;
  } catch (error) {
    if (error instanceof Error && /^NOPERM|unknown command/.test(error.message)) return null;
    throw unavailable(error);
  }
}
