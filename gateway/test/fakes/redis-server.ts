/** Real Redis servers for tests, on free ports of this machine, in a temporary directory, gone when the test is. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import type { RedisAddress } from '../../src/stores/redis/connection.ts';
import { prerequisite } from './prerequisite.ts';

/** Options for `test()`. */
export const needsRedis = prerequisite('redis-server', spawnSync('redis-server', ['--version']).status === 0);
export const needsOpenssl = prerequisite('openssl', spawnSync('openssl', ['version']).status === 0);

export interface RedisServer extends AsyncDisposable {
  readonly address: RedisAddress;
  readonly port: number;
  /** Runs a command by redis-cli and gives its raw output. */
  cli(...args: string[]): string;
  /** Ends the process at once. */
  kill(): Promise<void>;
  /** Stops and continues the process. */
  pause(): void;
  resume(): void;
}

export interface RedisServerOptions {
  /** Lines of its configuration file. */
  readonly config?: readonly string[];
  /** A free one unless given. */
  readonly port?: number;
  /** With a certificate of its own authority. */
  readonly tls?: boolean;
}

export const PLAIN: RedisAddress = {
  mode: 'standalone',
  hosts: [],
  master: null,
  db: 0,
  username: null,
  password: null,
  tls: false,
  ca: null,
};

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-redis-'));
  const port = options.port ?? (await freePort());
  const certificate = options.tls ? certificateIn(directory) : null;
  const listening =
    certificate === null
      ? [`port ${port}`]
      : [
          'port 0',
          `tls-port ${port}`,
          `tls-cert-file ${certificate.cert}`,
          `tls-key-file ${certificate.key}`,
          `tls-ca-cert-file ${certificate.ca}`,
          'tls-auth-clients no',
        ];
  const server = await run(
    directory,
    'redis.conf',
    [...listening, ...(options.config ?? [])],
    port,
    certificate?.ca ?? null,
  );
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface RedisCluster extends AsyncDisposable {
  readonly address: RedisAddress;
  readonly nodes: readonly RedisServer[];
}

/** A Cluster of three masters without replicas. */
export async function startCluster(): Promise<RedisCluster> {
  const nodes = await Promise.all(
    [1, 2, 3].map(() => startRedis({ config: ['cluster-enabled yes', 'cluster-node-timeout 2000'] })),
  );
  const hosts = nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  const created = spawnSync('redis-cli', [
    ...['--cluster', 'create', ...hosts.map(({ host, port }) => `${host}:${port}`)],
    '--cluster-yes',
  ]);
  if (created.status !== 0) throw new Error(`no Cluster: ${created.stdout}${created.stderr}`);
  for (const node of nodes)
    await answers('the Cluster is whole', () => node.cli('cluster', 'info').includes('cluster_state:ok'));
  return {
    address: { ...PLAIN, mode: 'cluster', hosts },
    nodes,
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
    },
  };
}

export interface RedisSentinels extends AsyncDisposable {
  readonly address: RedisAddress;
  readonly master: RedisServer;
  readonly replica: RedisServer;
}

/** A master, its replica, and three Sentinels that agree in pairs that a master is down when it was silent for half a second. */
export async function startSentinel(): Promise<RedisSentinels> {
  const master = await startRedis();
  const replica = await startRedis({ config: [`replicaof 127.0.0.1 ${master.port}`] });
  await answers('the replica follows', () => replica.cli('info', 'replication').includes('master_link_status:up'));
  const watch = [
    `sentinel monitor hot 127.0.0.1 ${master.port} 2`,
    'sentinel down-after-milliseconds hot 500',
    'sentinel failover-timeout hot 3000',
  ];
  const sentinels = await Promise.all([1, 2, 3].map(() => startSentinelProcess(watch)));
  for (const { cli } of sentinels) {
    await answers('the Sentinels know each other', () => {
      const said = cli('sentinel', 'master', 'hot').split('\n');
      const of = (name: string) => said[said.indexOf(name) + 1];
      return of('num-other-sentinels') === '2' && of('num-slaves') === '1';
    });
  }
  const hosts = sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
  return {
    address: { ...PLAIN, mode: 'sentinel', hosts, master: 'hot' },
    master,
    replica,
    async [Symbol.asyncDispose]() {
      await Promise.all([...sentinels, master, replica].map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

async function startSentinelProcess(watch: readonly string[]): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-sentinel-'));
  const port = await freePort();
  const server = await run(directory, 'sentinel.conf', [`port ${port}`, ...watch], port, null, ['--sentinel']);
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function run(
  directory: string,
  name: string,
  config: readonly string[],
  port: number,
  ca: string | null,
  args: readonly string[] = [],
): Promise<Omit<RedisServer, typeof Symbol.asyncDispose>> {
  const file = join(directory, name);
  const lines = ['bind 127.0.0.1', `dir ${directory}`, 'save ""', 'appendonly no', 'daemonize no', ...config];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const child = spawn('redis-server', [file, ...args], { stdio: 'ignore' });
  const over = once(child, 'exit');
  const cli = (...command: string[]) => {
    const tls = ca === null ? [] : ['--tls', '--cacert', ca];
    return spawnSync('redis-cli', ['-p', String(port), ...tls, ...command]).stdout.toString();
  };
  try {
    await answers('redis-server answers', () => alive(child) && /PONG|NOAUTH|NOPERM/.test(cli('ping')));
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return {
    address: { ...PLAIN, hosts: [{ host: '127.0.0.1', port }], tls: ca !== null, ca: ca && readFileSync(ca, 'utf8') },
    port,
    cli,
    async kill() {
      child.kill('SIGKILL');
      if (alive(child)) await over;
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  };
}

function alive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** An authority, and a certificate by it for this machine. */
function certificateIn(directory: string): { readonly ca: string; readonly cert: string; readonly key: string } {
  const place = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync('openssl', args);
    if (status !== 0) throw new Error(`openssl: ${stderr}`);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = 'subjectAltName=IP:127.0.0.1,DNS:localhost';
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    place('ca.key'),
    '-out',
    place('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=tests',
  );
  openssl('req', ...key, '-keyout', place('key.pem'), '-out', place('request.pem'), '-subj', '/CN=localhost');
  writeFileSync(place('names'), names);
  const sign = [
    '-CA',
    place('ca.pem'),
    '-CAkey',
    place('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    place('names'),
  ];
  openssl('x509', '-req', '-in', place('request.pem'), ...sign, '-out', place('cert.pem'));
  return { ca: place('ca.pem'), cert: place('cert.pem'), key: place('key.pem') };
}

async function freePort(): Promise<number> {
  // A Cluster's bus listens 10,000 above, so the port must be low enough.
  for (;;) {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    await once(server, 'close');
    if (address !== null && typeof address === 'object' && address.port < 55_000) return address.port;
  }
}

const GIVE_UP_MS = 20_000;
const LOOK_MS = 50;

/** Asks a process again and again until `holds`; there is nothing to await instead. */
async function answers(what: string, holds: () => boolean): Promise<void> {
  const giveUpAt = systemClock.monotonic() + GIVE_UP_MS;
  while (!holds()) {
    if (systemClock.monotonic() > giveUpAt) throw new Error(`it never came to pass: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
