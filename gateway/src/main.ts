/**
 * The composition root: the only file that names concrete stores and sinks.
 * `startGateway` puts a configuration file to work; the CLI and the tests call it.
 */
import { createHash } from 'node:crypto';
import type { Server } from 'node:http';
import { startAdmin } from './admin/server.ts';
import { WaitingLines } from './admit/waiting.ts';
import type { Clock, Ids, Random } from './clock.ts';
import type { Environment } from './config/env.ts';
import { loadConfig } from './config/load.ts';
import { type Problem, problemLine } from './config/problem.ts';
import type { Snapshot } from './config/snapshot.ts';
import { ConfigHolder } from './config/swap.ts';
import { watchFile } from './config/watch.ts';
import { Explainer } from './explain/explainer.ts';
import { heldBy, Notables } from './explain/notable.ts';
import { Bodies } from './listen/body.ts';
import { DataServer } from './listen/server.ts';
import type { Log } from './observe/log.ts';
import { type Gauges, Metrics, render } from './observe/metrics.ts';
import { openLimits } from './open-limits.ts';
import { EndUsers } from './policy/end-users.ts';
import { Learnt } from './policy/learnt.ts';
import { type Gateway, serve } from './request.ts';
import { countedUses } from './settle/counted.ts';
import { restoreQuotas } from './settle/restore.ts';
import { openSqliteLedger } from './stores/ledger/sqlite-ledger.ts';
import type { Ledger } from './stores/ledger-store.ts';
import type { LimitStore } from './stores/limit-store.ts';
import { Connections } from './upstream/connection.ts';

/** How often the reservations of running requests are renewed within a lease: a late one must not lose it. */
const RENEWALS_PER_LEASE = 4;
/** Of the hash of an end user's name: as many as no two of them share. */
const END_USER_DIGITS = 32;

export interface GatewayOptions {
  /** The path of `headgate.yaml`. */
  readonly configFile: string;
  readonly env: Environment;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly log: Log;
  /** Whether the file is watched for changes. */
  readonly watch: boolean;
}

export interface RunningGateway {
  /** Where callers connect, e.g. `http://127.0.0.1:8080`. */
  readonly dataUrl: string;
  readonly adminUrl: string;
  readonly config: ConfigHolder;
  readonly limits: LimitStore;
  readonly ledger: Ledger;
  /** Requests that are running now. */
  readonly running: number;
  /** How many of them are in line for a limit. */
  readonly waiting: number;
  /** Request-body bytes held now. */
  readonly bodyBytes: number;
  /** Reads the file anew; an invalid one changes nothing. */
  reload(): void;
  /** Stops: no new requests, those that run finish within the configured drain time, everything settled is on the ledger. */
  stop(): Promise<void>;
}

/** Thrown when the configuration has problems; `problems` says each, with its line. */
export class InvalidConfig extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(problemLine).join('\n'));
    this.name = 'InvalidConfig';
    this.problems = problems;
  }
}

/**
 * Starts everything, or nothing: what was opened is closed again when a later step fails.
 * @throws InvalidConfig, or the system's error when an address or the ledger cannot be opened.
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  // What has to be closed again, the last one first.
  await using opened = new AsyncDisposableStack();
  const { configFile, env, clock, ids, log } = options;
  opened.defer(() => log.flush());
  const load = () => loadConfig(configFile, env, clock.now());
  let changed = () => {};
  // Watched before it is read, so that no change falls between.
  if (options.watch) opened.defer(await watchFile(configFile, clock, () => changed()));
  const first = load();
  if ('problems' in first) throw new InvalidConfig(first.problems);
  const config = new ConfigHolder(first.snapshot, load, clock);
  changed = () => config.reload();
  for (const warning of first.snapshot.warnings) log.event('warn', warning);

  const { limits, limitGauges } = await openLimits(first.snapshot.stores.limits, options);
  opened.defer(() => limits.close());
  const ledger = await openSqliteLedger({ path: first.snapshot.stores.ledger.path, clock, log: log.event });
  opened.defer(() => ledger.close());
  const restored = new Set<string>();
  const restore = async ({ callersByHash, models, stores }: Snapshot) => {
    // A store that outlives this process has counted all along.
    if (stores.limits.kind !== 'memory') return;
    const now = clock.now();
    const counted = countedUses(callersByHash.values(), models.values(), ledger, now);
    await restoreQuotas(counted, restored, ledger, limits, now);
  };
  await restore(first.snapshot);
  config.onReload((status, current) => reloaded(status, current, log, restore));

  const metrics = new Metrics();
  const notables = new Notables();
  const connections = new Connections();
  opened.defer(() => connections.close());
  const gateway: Gateway = {
    config,
    clock,
    limits,
    lines: new WaitingLines(),
    learnt: new Learnt(),
    endUsers: new EndUsers((name) => createHash('sha256').update(name).digest('hex').slice(0, END_USER_DIGITS)),
    connections,
    bodies: new Bodies(clock),
    record: (record, decided) => {
      const line = JSON.stringify(record);
      // Strangers are logged and counted; the ledger is for customers, and a flood of bad keys must not fill it.
      if (record.keyId !== null) ledger.append(line);
      log.request(line);
      metrics.count(record, heldBy(record, decided)?.bound.limit.id ?? null);
      notables.note(record, decided);
    },
    defect: (request, cause) => log.event('error', 'defect', { request, err: cause }),
  };
  const data = new DataServer({ clock, ids, serve: (exchange) => serve(exchange, gateway), defect: gateway.defect });
  const gauges = async (): Promise<Gauges> => ({
    inflight: { value: data.running.length },
    reservations: { value: await limits.held() },
    ...limitGauges(),
    bodyBytes: { value: gateway.bodies.held },
    ledgerPending: { value: ledger.pending() },
    ledgerDropped: { value: ledger.dropped },
    logDropped: { value: log.dropped },
    configReloads: { value: config.status.reloads },
    configFailures: { value: config.status.refused },
    configInfo: { value: 1, labels: { version: config.status.version } },
  });

  const { listen } = first.snapshot;
  // The admin listener is up before and after the other one, so that readiness can always be asked for.
  const admin = await startAdmin(listen.admin.host, listen.admin.port, {
    ready: () => data.listening && !data.draining,
    metrics: async () => render(metrics, await gauges()),
    configStatus: () => config.status,
    explainer: new Explainer({
      ...gateway,
      notables,
      ledger,
      isRunning: (id) => data.running.some((exchange) => exchange.id === id),
      decided: (limit, decision) => metrics.decided(limit, decision),
    }),
    defect: (cause) => log.event('error', 'defect', { err: cause }),
  });
  opened.defer(() => closed(admin.server));
  const renewing = clock.every(Math.ceil(first.snapshot.stores.limits.leaseMs / RENEWALS_PER_LEASE), () => {
    void limits.renew(data.running.flatMap(({ held }) => held));
  });
  opened.defer(() => clock.clear(renewing));
  const dataAddress = await data.listen(listen.data.host, listen.data.port);
  opened.defer(() => data.drain(config.current.listen.drainMs));

  const parts = opened.move();
  return {
    dataUrl: `http://${listen.data.host}:${dataAddress.port}`,
    adminUrl: `http://${listen.admin.host}:${admin.address.port}`,
    config,
    limits,
    ledger,
    get running() {
      return data.running.length;
    },
    get waiting() {
      return gateway.lines.waiting;
    },
    get bodyBytes() {
      return gateway.bodies.held;
    },
    reload: () => config.reload(),
    stop: () => parts.disposeAsync(),
  };
}

function reloaded(
  status: ConfigHolder['status'],
  current: Snapshot,
  log: Log,
  restore: (snapshot: Snapshot) => Promise<void>,
): void {
  if (status.lastError !== null) {
    log.event('error', 'configuration refused; the one before keeps serving', { problems: status.lastError.problems });
    return;
  }
  log.event('info', 'configuration applied', { version: status.version });
  for (const warning of current.warnings) log.event('warn', warning);
  restore(current).catch((cause) => log.event('error', 'quotas could not be read from the ledger', { err: cause }));
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
