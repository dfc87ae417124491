import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRedisUrl, type RedisSettings } from '../../src/config/redis-url.ts';

const ONE: RedisSettings = {
  kind: 'redis',
  mode: 'standalone',
  hosts: [{ host: 'h', port: 6379 }],
  master: null,
  db: 0,
  username: null,
  password: null,
  tls: false,
};
const sentinel = { ...ONE, mode: 'sentinel', hosts: [{ host: 'h', port: 26_379 }], master: 'm' } as const;
const cluster = { ...ONE, mode: 'cluster' } as const;

test('R41: standalone, Sentinel and Cluster are told apart by the URL, each with or without TLS', () => {
  const table: Readonly<Record<string, RedisSettings>> = {
    'redis://h': ONE,
    'redis://h/': ONE,
    ' redis://h:6379/0 ': ONE,
    'redis://h:7000/15': { ...ONE, hosts: [{ host: 'h', port: 7000 }], db: 15 },
    'redis://[::1]:7000': { ...ONE, hosts: [{ host: '::1', port: 7000 }] },
    'rediss://h': { ...ONE, tls: true },
    'redis-sentinel://h/m': sentinel,
    'redis-sentinel://a,b:1,h/my%20master/2': {
      ...sentinel,
      hosts: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 1 },
        { host: 'h', port: 26_379 },
      ],
      master: 'my master',
      db: 2,
    },
    'rediss-sentinel://h/m': { ...sentinel, tls: true },
    'redis-cluster://h': cluster,
    'redis-cluster://h,[::2]:7001': { ...cluster, hosts: [...cluster.hosts, { host: '::2', port: 7001 }] },
    'rediss-cluster://h/0': { ...cluster, tls: true },
  };
  for (const [url, value] of Object.entries(table)) assert.deepEqual(parseRedisUrl(url), { value }, url);
});

test('a user and a password are what is percent-encoded in the URL, and either may be missing', () => {
  const table = {
    'redis://:secret@h': [null, 'secret'],
    'redis://app:se%40c%3Aret%2F@h': ['app', 'se@c:ret/'],
    'redis://app:a:b@h': ['app', 'a:b'],
    'redis://app@h': ['app', null],
    'redis://@h': [null, null],
    'redis-cluster://app:pw@h': ['app', 'pw'],
  };
  for (const [url, [username, password]] of Object.entries(table)) {
    const parsed = parseRedisUrl(url);
    assert.ok('value' in parsed, url);
    assert.deepEqual([parsed.value.username, parsed.value.password], [username, password], url);
  }
});

test('what is wrong with a URL is said without a word of it', () => {
  const form = 'expected a URL such as redis://host:6379/0';
  const table = {
    '': form,
    'http://:hunter2@h': form,
    'redis://': form,
    'redis://:hunter2@': form,
    'redis://:hunter2@h:x': form,
    'redis://a b': form,
    'redis-sentinel://a,,b/m': form,
    'redis://:hunter2@h:0': 'expected a port from 1 to 65535',
    'redis://:hunter2@h:65536': 'expected a port from 1 to 65535',
    'redis://:hunter2@a,b': 'redis:// has one host',
    'redis://:hunter2@h/first': 'expected the number of a database',
    'redis://:hunter2@h/1/2': 'expected the number of a database',
    'redis-sentinel://:hunter2@h': 'expected the name of the master',
    'redis-sentinel://:hunter2@h/%': 'expected the name of the master',
    'redis-cluster://:hunter2@h/1': 'a Cluster has no database but 0',
    'redis://:hunter2%@h': 'the user or password is not percent-encoded',
    'redis://h?password=hunter2': 'expected a URL without "?" and "#"',
    'redis://h#hunter2': 'expected a URL without "?" and "#"',
  };
  for (const [url, text] of Object.entries(table)) {
    const parsed = parseRedisUrl(url);
    assert.ok('problem' in parsed, url);
    assert.ok(parsed.problem.startsWith(text), `${url}: ${parsed.problem}`);
    assert.ok(!parsed.problem.includes('hunter2'), url);
  }
});
