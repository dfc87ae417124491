/**
 * A connection to a Redis in any topology. A command while there is no connection fails at once, a command without an answer fails
 * after its time, none is ever sent twice by the driver; the connection is tried again at least every second.
 */
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { StoreUnavailable } from '../store-unavailable.ts';

export type Connection = Redis | Cluster;
type Options = Omit<RedisOptions, 'replyMapping'>;

/** Where a Redis or Valkey is and how to get in. */
export interface RedisAddress {
  readonly mode: 'standalone' | 'sentinel' | 'cluster';
  /** The server; or the Sentinels or some nodes of the Cluster, from which the others are learnt. Never empty. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** The name under which Sentinels know the master; null for the other modes. */
  readonly master: string | null;
  readonly db: number;
  readonly username: string | null;
  /** Secret. */
  readonly password: string | null;
  readonly tls: boolean;
  /** The authorities to trust over TLS, in PEM; null for the system's. */
  readonly ca: string | null;
}

const CONNECT_MS = 2000;
/** A connection on which commands wait, and nothing arrives, for so long is given up. */
const SILENT_MS = 5000;
const MOST_RETRY_MS = 1000;
const NO_SENTINEL = /sentinels are unreachable/;

/** Connects when asked to. `timeoutMs` is what a command may take. */
export function connectionOf(address: RedisAddress, timeoutMs: number): Connection {
  const options = optionsOf(address, timeoutMs);
  const connection =
    address.mode === 'cluster'
      ? new Cluster([...address.hosts], {
          redisOptions: options,
          lazyConnect: true,
          enableOfflineQueue: false,
          clusterRetryStrategy: retryAfter,
          slotsRefreshTimeout: CONNECT_MS,
          maxRedirections: 5,
          retryDelayOnFailover: 50,
          retryDelayOnClusterDown: 50,
          // Certificates are for names.
          ...(address.tls && { dnsLookup: (address, done) => done(null, address) }),
        })
      : new Redis({ ...options, enableOfflineQueue: false, retryStrategy: retryAfter, ...placeOf(address) });
  // Each command says so itself, and a connection without a listener would end the process.
  connection.on('error', () => {});
  // A Sentinel that tells of a new master while the driver asks another one for it makes the driver give up for good.
  if (address.mode === 'sentinel') connection.on('end', connectAgain);
  return connection;
}

function connectAgain(this: Redis): void {
  this.connect().catch(() => {});
}

/** Ends the connection for good. */
export function disconnect(connection: Connection): void {
  connection.off('end', connectAgain);
  connection.disconnect();
}

/**
 * Connects. Throws what the server said where it said anything: the driver itself only tells that the connection was closed, and of
 * Sentinels that do not answer, nothing, for as long as they do not.
 */
export async function connect(connection: Connection): Promise<void> {
  let first: Error | null = null;
  const noSentinel = Promise.withResolvers<never>();
  const listen = (error: Error) => {
    first ??= error;
    if (NO_SENTINEL.test(error.message)) noSentinel.reject(error);
  };
  const events = ['error', 'node error'];
  for (const event of events) connection.on(event, listen);
  try {
    await Promise.race([connection.connect(), noSentinel.promise]);
  } catch (error) {
    throw first ?? error;
  } finally {
    for (const event of events) connection.off(event, listen);
  }
}

function optionsOf({ username, password, db, tls, ca }: RedisAddress, timeoutMs: number): Options {
  return {
    lazyConnect: true,
    protocol: 2,
    disableClientInfo: true,
    db,
    connectTimeout: CONNECT_MS,
    commandTimeout: timeoutMs,
    socketTimeout: SILENT_MS,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // What was a master is a replica now: the next connection finds the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...(username !== null && { username }),
    ...(password !== null && { password }),
    ...(tls && { tls: ca === null ? {} : { ca } }),
  };
}

function placeOf({ mode, hosts, master, tls, ca }: RedisAddress): Options {
  if (mode === 'standalone') return { ...hosts[0]! };
  return {
    sentinels: [...hosts],
    name: master!,
    sentinelRetryStrategy: retryAfter,
    sentinelCommandTimeout: CONNECT_MS,
    failoverDetector: true,
    ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: ca === null ? {} : { ca } }),
  };
}

function retryAfter(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt, 10), MOST_RETRY_MS);
}

/** The cause as the log may have it: no address, no value, no credential. */
export function unavailable(error: unknown): StoreUnavailable {
  return new StoreUnavailable(causeOf(error instanceof Error ? error : new Error()));
}

const CAUSES: readonly (readonly [pattern: RegExp, cause: string])[] = [
  [/^Command timed out/, 'no answer in time'],
  [/ECONNREFUSED/, 'connection refused'],
  [
    /writeable|Connection is closed|ECONNRESET|EPIPE|Socket|isn't ready|connect|sentinels are unreachable|ended/i,
    'not connected',
  ],
  [/^(NOAUTH|WRONGPASS)/, 'authentication failed'],
  [/^NOPERM|The user executing the script/, 'a command is not permitted'],
  [/unknown command|Unknown Redis command/i, 'a command is blocked'],
  [/^READONLY|-READONLY/, 'the server is a read-only replica'],
  [/^OOM|-OOM|command not allowed when used memory/, 'the server is out of memory'],
];

function causeOf({ message }: Error): string {
  for (const [pattern, cause] of CAUSES) if (pattern.test(message)) return cause;
  const code = /^-?([A-Z]{3,20})\b/.exec(message)?.[1];
  return code === undefined ? 'an unexpected error' : `an error: ${code}`;
}
