/** From the configuration as read to the snapshot that requests use: everything inherited is resolved and every reference followed. */
import { resolve } from 'node:path';
import type { Provider, Tier } from '../call.ts';
import { advise } from './advice.ts';
import { callersOf } from './callers.ts';
import { limitsThatNeverBind } from './enforceable.ts';
import { limitBook } from './limits.ts';
import { modelsFrom } from './models.ts';
import { inFileOrder, type Problem, problemLine } from './problem.ts';
import type { Config } from './schema.ts';
import type { Secrets } from './secrets.ts';
import type { LimitStoreSettings, Snapshot } from './snapshot.ts';
import type { Source } from './source.ts';

export interface Surroundings {
  readonly source: Source;
  /** What relative paths are relative to. */
  readonly directory: string;
  /** The snapshot's version. */
  readonly version: string;
  readonly secrets: Omit<Secrets, 'problems'>;
  /** Milliseconds since the epoch: prices have dates. */
  readonly now: number;
}

export type Compiled = { readonly snapshot: Snapshot } | { readonly problems: readonly Problem[] };

/** `config` has no dangling reference. */
export function compile(config: Config, around: Surroundings): Compiled {
  const { source, secrets } = around;
  const providers = new Map(Object.keys(config.providers).map((name) => [name, providerOf(name, config, secrets)]));
  const tiers = new Map(Object.keys(config.tiers).map((id) => [id, tierOf(id, config)]));
  const book = limitBook(source, config.stores.limits.lease);
  const { models, limits, warnings } = modelsFrom(config, providers, book, around);
  const callersByHash = callersOf(config, tiers, limits, book);
  const problems = [...book.problems, ...limitsThatNeverBind(config, models, source)];
  if (problems.length > 0) return { problems };
  const advice = advise(config, { models, callers: callersByHash, apiKeys: secrets.apiKeys }, source);
  return {
    snapshot: {
      version: around.version,
      region: config.region,
      listen: listenOf(config),
      stores: {
        limits: limitStoreOf(config, secrets),
        ledger: { kind: 'sqlite', path: resolve(around.directory, config.stores.ledger.path) },
      },
      providers,
      models,
      tiers,
      callersByHash,
      limits: book.limits,
      warnings: inFileOrder([...warnings, ...advice]).map(problemLine),
    },
  };
}

function listenOf({ listen }: Config): Snapshot['listen'] {
  return {
    data: listen.data,
    admin: listen.admin,
    bodyBytesMax: listen.bodyMax,
    inflightBytesMax: listen.inflightMax,
    bodyTimeoutMs: listen.bodyTimeout,
    writeStallMs: listen.writeStall,
    pingMs: listen.ping,
    drainMs: listen.drain,
  };
}

/** How long the store of limits may take to answer unless written, in milliseconds. */
const STORE_TIMEOUT_MS = 250;

function limitStoreOf(config: Config, { limitsPassword, limitsCa }: Surroundings['secrets']): LimitStoreSettings {
  const { url, timeout = STORE_TIMEOUT_MS, lease, orphans } = config.stores.limits;
  const common = { leaseMs: lease, orphans };
  if (url.kind === 'memory') return { ...common, kind: 'memory' };
  return { ...common, ...url, password: limitsPassword ?? url.password, timeoutMs: timeout, ca: limitsCa };
}

function providerOf(name: string, config: Config, { apiKeys }: Surroundings['secrets']): Provider {
  const { protocol, baseUrl, region, includeUsage } = config.providers[name]!;
  const apiKey = apiKeys.get(name);
  return {
    name,
    protocol,
    origin: baseUrl.origin,
    basePath: baseUrl.pathname.replace(/\/+$/, ''),
    credential: apiKey === undefined ? [] : ['authorization', `Bearer ${apiKey}`],
    region: region ?? config.region,
    includeUsage,
  };
}

function tierOf(id: string, config: Config): Tier {
  const { name = id, upgrade } = config.tiers[id]!;
  if (upgrade === undefined) return { id, name, upgrade: null };
  const toName = config.tiers[upgrade.to]!.name ?? upgrade.to;
  return { id, name, upgrade: { to: upgrade.to, toName, url: upgrade.url ?? null } };
}
