/** Several gateway processes that count in one store, in front of one simulated provider, and a caller that takes them in turn. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Caller, RequestRecord } from '../../src/call.ts';
import { systemClock, systemRandom } from '../../src/clock.ts';
import type { Snapshot } from '../../src/config/snapshot.ts';
import { type SimulatedProvider, type SimulatedProviderOptions, startProvider } from '../../src/provider/server.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite-ledger.ts';
import type { LimitState } from '../../src/stores/limit-store.ts';
import type { RedisAddress } from '../../src/stores/redis/connection.ts';
import { RedisLimitStore } from '../../src/stores/redis/index.ts';
import { type ChildGateway, startChildGateway } from './child-gateway.ts';
import { snapshotFrom } from './config.ts';
import { hashOf, type PlainConfig, plainConfig, TEST_KEY } from './gateway.ts';
import type { Received } from './http-client.ts';
import { type Ask, askGateway } from './stand.ts';

/** Where the limits are counted: what `startRedis`, `startSentinel` and `startCluster` start. */
export interface FleetStore {
  readonly address: RedisAddress;
}

export interface FleetOptions extends Omit<PlainConfig, 'providers'> {
  readonly store: FleetStore;
  /** Where the gateway in each place finds it, when not at its own address. */
  readonly ways?: readonly (FleetStore | undefined)[];
  /** How many gateways; 4 unless given. */
  readonly processes?: number;
  /** `stores.limits.lease`; 2 minutes unless given. */
  readonly lease?: string;
  readonly orphans?: 'charge' | 'refund';
  /** `stores.limits.timeout`; so long that a busy machine is not taken for an outage, unless given. */
  readonly timeout?: string;
  /** More members of `listen`, as YAML flow text. */
  readonly listen?: string;
  /** How the provider behaves. */
  readonly simulated?: Partial<SimulatedProviderOptions>;
}

export interface Fleet extends AsyncDisposable {
  /** One for each place; a replaced one is another object. */
  readonly gateways: readonly ChildGateway[];
  readonly provider: SimulatedProvider;
  /** The configuration without `listen` and `stores`, as each gateway has it. */
  readonly snapshot: Snapshot;
  /** The owner of {@link TEST_KEY}. */
  readonly caller: Caller;
  /** Counts nothing and sweeps nothing: what it reads is what the gateways made of it. On the store's own time. */
  readonly store: RedisLimitStore;
  /** Sends to the gateways in turn, to those that were not killed. */
  ask(ask?: Ask): Promise<Received>;
  /** The limits of the caller, end users excepted, as they are in the store now. */
  states(): Promise<readonly LimitState[]>;
  /** Kills the gateway in this place with SIGKILL; resolves when it is gone. */
  kill(place: number): Promise<void>;
  /** Starts another one in the place of one that is gone, on its ledger, and at another address. */
  replace(place: number): Promise<void>;
  /** Ends all that still run by SIGTERM, and answers what is on the ledger of each place. Nothing can be asked afterwards. */
  records(): Promise<readonly (readonly RequestRecord[])[]>;
}

const PATIENT = '10s';
const PATIENT_MS = 10_000;
const DAY_MS = 86_400_000;

/** Starts them all; ends them all, by their process ids, when disposed. Does not end the store. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  await using opened = new AsyncDisposableStack();
  const { store: where, ways = [], processes = 4, listen = '', simulated, ...plain } = options;
  const provider = await startProvider({ clock: systemClock, ...simulated });
  opened.defer(() => provider.close());
  const yaml = plainConfig({ ...plain, providers: [provider.url] });
  const directory = mkdtempSync(join(tmpdir(), 'headgate-fleet-'));
  opened.defer(() => rmSync(directory, { recursive: true, force: true }));
  const places = Array.from({ length: processes }, (_, place) => join(directory, String(place)));
  const start = (place: number) =>
    startChildGateway(places[place]!, yaml, listen, storesOf(ways[place] ?? where, options));

  for (const place of places) mkdirSync(place);
  const gateways: ChildGateway[] = [];
  opened.defer(async () => {
    await Promise.all(gateways.map((gateway) => gateway.kill()));
  });
  const started = await Promise.allSettled(places.map((_, place) => start(place)));
  for (const each of started) if (each.status === 'fulfilled') gateways.push(each.value);
  for (const each of started) if (each.status === 'rejected') throw each.reason;

  const store = new RedisLimitStore(where.address, {
    clock: systemClock,
    random: systemRandom,
    process: 'test',
    // It sweeps by its lease: never, within a test.
    leaseMs: DAY_MS,
    timeoutMs: PATIENT_MS,
  });
  opened.defer(() => store.close());
  await store.open();
  const snapshot = snapshotFrom(yaml);
  const caller = snapshot.callersByHash.get(hashOf(TEST_KEY).slice('sha256:'.length))!;
  const gone = new Set<number>();
  let turn = 0;
  const next = (): ChildGateway => {
    while (gone.has(turn % processes)) turn++;
    return gateways[turn++ % processes]!;
  };
  const all = opened.move();
  return {
    gateways,
    provider,
    snapshot,
    caller,
    store,
    ask: (ask = {}) => askGateway(next().dataUrl, ask),
    states: () => store.read(caller.limits.every()),
    async kill(place) {
      gone.add(place);
      await gateways[place]!.kill();
    },
    async replace(place) {
      gateways[place] = await start(place);
      gone.delete(place);
    },
    async records() {
      for (const gateway of gateways) gateway.signal('SIGTERM');
      await Promise.all(gateways.map(({ exited }) => exited));
      return await Promise.all(places.map(recordsIn));
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** As `stores.limits.url` says it. */
export function urlOf({ mode, hosts, master, db }: RedisAddress): string {
  const list = hosts.map(({ host, port }) => `${host}:${port}`).join(',');
  if (mode === 'cluster') return `redis-cluster://${list}`;
  return mode === 'sentinel' ? `redis-sentinel://${list}/${master}/${db}` : `redis://${list}/${db}`;
}

function storesOf(
  { address }: FleetStore,
  { lease = '2m', orphans = 'charge', timeout = PATIENT }: FleetOptions,
): string {
  return `limits: { url: "${urlOf(address)}", lease: ${lease}, orphans: ${orphans}, timeout: ${timeout} }`;
}

async function recordsIn(directory: string): Promise<readonly RequestRecord[]> {
  const path = join(directory, 'ledger.db');
  const ledger = await openSqliteLedger({ path, clock: systemClock, log: () => {} });
  try {
    return await ledger.recent(1_000_000);
  } finally {
    await ledger.close();
  }
}
