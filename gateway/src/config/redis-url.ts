/** The address of a Redis or Valkey, as one text. Pure; what is wrong with it is said without repeating it, since it may hold a password. */
import type { Parsed } from './quantity.ts';

export interface RedisSettings {
  readonly kind: 'redis';
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
}

const EXPECTED =
  'expected a URL such as redis://host:6379/0, redis-sentinel://host:26379,host:26379/master or redis-cluster://host:6379,host:6379';

const PORTS: Readonly<Record<RedisSettings['mode'], number>> = { standalone: 6379, sentinel: 26_379, cluster: 6379 };

/** Scheme, user and password, hosts, path. */
const URL_PARTS = /^(rediss?)(?:-(sentinel|cluster))?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?([?#].*)?$/;

/**
 * `redis://[user:password@]host[:6379][/db]`, `redis-sentinel://[user:password@]host[:26379],.../master[/db]` and
 * `redis-cluster://[user:password@]host[:6379],...`. `rediss` instead of `redis` is TLS; what is special in a user, password or
 * master is percent-encoded.
 */
export function parseRedisUrl(text: string): Parsed<RedisSettings> {
  const parts = URL_PARTS.exec(text.trim());
  if (parts === null) return { problem: EXPECTED };
  const [, scheme, kind, userInfo, hostList = '', path = '', rest] = parts;
  if (rest !== undefined) return { problem: 'expected a URL without "?" and "#"; percent-encode them in a password' };
  const mode = kind === 'sentinel' || kind === 'cluster' ? kind : 'standalone';
  const credentials = readUserInfo(userInfo);
  if ('problem' in credentials) return credentials;
  const hosts = readHosts(hostList, PORTS[mode]);
  if ('problem' in hosts) return hosts;
  if (mode === 'standalone' && hosts.value.length > 1) {
    return { problem: 'redis:// has one host; several are a redis-sentinel:// or a redis-cluster://' };
  }
  const place = readPath(mode, path);
  if ('problem' in place) return place;
  const tls = scheme === 'rediss';
  return { value: { kind: 'redis', mode, hosts: hosts.value, ...place.value, ...credentials.value, tls } };
}

function readHosts(list: string, defaultPort: number): Parsed<RedisSettings['hosts']> {
  const hosts: { host: string; port: number }[] = [];
  for (const each of list.split(',')) {
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(each.trim());
    if (match === null) return { problem: EXPECTED };
    const port = Number(match[3] ?? defaultPort);
    if (port < 1 || port > 65_535) return { problem: 'expected a port from 1 to 65535' };
    hosts.push({ host: match[1] ?? match[2]!, port });
  }
  return { value: hosts };
}

function readPath(mode: RedisSettings['mode'], path: string): Parsed<{ master: string | null; db: number }> {
  const steps = path.split('/').filter((step) => step !== '');
  const master = mode === 'sentinel' ? decoded(steps.shift() ?? '') : null;
  if (mode === 'sentinel' && !master)
    return { problem: 'expected the name of the master behind the hosts: redis-sentinel://host/master' };
  const [db = '0', ...more] = steps;
  if (!/^\d{1,5}$/.test(db) || more.length > 0) return { problem: 'expected the number of a database as the end' };
  if (mode === 'cluster' && Number(db) !== 0) return { problem: 'a Cluster has no database but 0' };
  return { value: { master, db: Number(db) } };
}

function readUserInfo(text: string | undefined): Parsed<{ username: string | null; password: string | null }> {
  if (text === undefined) return { value: { username: null, password: null } };
  const colon = text.indexOf(':');
  const username = decoded(colon === -1 ? text : text.slice(0, colon));
  const password = colon === -1 ? '' : decoded(text.slice(colon + 1));
  if (username === null || password === null) {
    return { problem: 'the user or password is not percent-encoded: a "%" is written %25' };
  }
  return { value: { username: username || null, password: password || null } };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
