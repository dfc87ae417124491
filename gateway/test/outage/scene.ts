/**
 * A gateway on the system's clock, its limits in a real Redis behind a link that can be disturbed, in front of a simulated provider
 * whose streams last as long as the test says.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Caller } from '../../src/call.ts';
import { systemClock, ulids } from '../../src/clock.ts';
import { type RunningGateway, startGateway } from '../../src/main.ts';
import { openLog } from '../../src/observe/log.ts';
import { type SimulatedProvider, startProvider } from '../../src/provider/server.ts';
import { LEASE_MS } from '../../src/stores/limit-store.ts';
import { RedisLimitStore } from '../../src/stores/redis/index.ts';
import { hashOf, type PlainConfig, plainConfig, TEST_KEY } from '../fakes/gateway.ts';
import type { Received } from '../fakes/http-client.ts';
import { scrape } from '../fakes/scrape.ts';
import { type SlowLink, startSlowLink } from '../fakes/slow-link.ts';
import { type Ask, askGateway } from '../fakes/stand.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';
import { type RestartableRedis, startRestartableRedis } from './restartable-redis.ts';

/** How long the gateway waits for one answer of the store: the default. */
export const TIMEOUT_MS = 250;
/** How long the requirement gives a gateway to use a store again that is back. */
export const RECOVERY_MS = 5000;

export interface SceneOptions extends Omit<PlainConfig, 'providers'> {
  /** `stores.limits.lease` in milliseconds; 2 minutes unless given. */
  readonly leaseMs?: number;
  /** Whether the store is there when the gateway starts; it is unless this is false. */
  readonly store?: boolean;
}

/** An event of the gateway's log that is about the limit store. */
export interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly msg: string;
  readonly cause?: string;
  readonly outageMs?: number;
}

export interface Scene extends AsyncDisposable {
  readonly gateway: RunningGateway;
  readonly caller: Caller;
  readonly redis: RestartableRedis;
  readonly link: SlowLink;
  readonly provider: SimulatedProvider;
  /** Of the provider's streams: a call that says `pace 10` has a token every 10 ms of it. */
  readonly streams: VirtualClock;
  ask(ask?: Ask): Promise<Received>;
  /** The value of `headgate_<name>` on `/metrics`. */
  metric(name: string): Promise<number>;
  /** What the log says of the limit store so far, without the lines of requests. */
  lines(): readonly Line[];
  /** A store of the test's own, as another process has it, until the scene is over. */
  reader(): Promise<RedisLimitStore>;
}

const LEVELS: Readonly<Record<number, Line['level']>> = { 30: 'info', 40: 'warn', 50: 'error' };

export async function setScene(options: SceneOptions): Promise<Scene> {
  await using opened = new AsyncDisposableStack();
  const { leaseMs = LEASE_MS, store = true, ...plain } = options;
  const directory = mkdtempSync(join(tmpdir(), 'headgate-outage-'));
  opened.defer(() => rmSync(directory, { recursive: true, force: true }));
  const redis = opened.use(await startRestartableRedis());
  if (!store) await redis.kill();
  const link = opened.use(await startSlowLink(redis.port));
  const streams = new VirtualClock();
  const provider = await startProvider({
    clock: streams,
    // As many as the call has a cap for.
    tokens: 1000,
    script: ({ body }) => ({ paceMs: Number(/pace (\d+)/.exec(body.toString())?.[1] ?? 0) }),
  });
  opened.defer(() => provider.close());
  const configFile = join(directory, 'headgate.yaml');
  const stores = `{ limits: { url: "redis://${link.host}", lease: ${leaseMs}ms }, ledger: "sqlite:${directory}/ledger.db" }`;
  writeFileSync(
    configFile,
    `listen: { data: "127.0.0.1:0", admin: "127.0.0.1:0", drain: 1s }\nstores: ${stores}\n${plainConfig({ ...plain, providers: [provider.url] })}`,
  );
  const logFile = join(directory, 'log');
  const log = openLog(systemClock, logFile, 'info', false);
  const gateway = await startGateway({
    configFile,
    env: {},
    clock: systemClock,
    ids: ulids(systemClock),
    // It looks for what was left behind as late as it may: no test counts those round trips by chance.
    random: { next: () => 0.999 },
    log,
    watch: false,
  });
  opened.defer(() => gateway.stop());
  const caller = gateway.config.current.callersByHash.get(hashOf(TEST_KEY).slice('sha256:'.length))!;
  const all = opened.move();
  return {
    gateway,
    caller,
    redis,
    link,
    provider,
    streams,
    ask: (ask = {}) => askGateway(gateway.dataUrl, ask),
    async metric(name) {
      const value = (await scrape(gateway.adminUrl)).get(`headgate_${name}`);
      assert.notEqual(value, undefined, `no metric ${name}`);
      return value!;
    },
    lines() {
      log.flush();
      return readFileSync(logFile, 'utf8').split('\n').flatMap(lineOf);
    },
    async reader() {
      const options = { clock: systemClock, random: { next: () => 0 }, process: 'reader', timeoutMs: 10_000, leaseMs };
      const reader = new RedisLimitStore(redis.address, options);
      all.defer(() => reader.close());
      await reader.open();
      return reader;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function lineOf(text: string): Line[] {
  if (text === '') return [];
  const { level, msg, cause, outageMs } = JSON.parse(text) as Omit<Line, 'level'> & { level: number };
  if (!msg.includes('limit store')) return [];
  return [
    { level: LEVELS[level]!, msg, ...(cause !== undefined && { cause }), ...(outageMs !== undefined && { outageMs }) },
  ];
}

const GIVE_UP_MS = 20_000;
const LOOK_MS = 10;

/** Asks again and again until `holds`, there being nothing to await instead; how long that took, in milliseconds. */
export async function untilTrue(what: string, holds: () => Promise<boolean>): Promise<number> {
  const from = systemClock.monotonic();
  while (!(await holds())) {
    if (systemClock.monotonic() - from > GIVE_UP_MS) throw new Error(`it never came to pass: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return systemClock.monotonic() - from;
}
