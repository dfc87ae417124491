/** From the configuration as read to the snapshot that requests use: everything inherited is resolved and every reference followed. */
import { resolve } from 'node:path';
import type { Caller, Model, Provider, Target, Tier } from '../call.ts';
import type { BoundLimit, Limit } from '../policy/limit.ts';
import type { Prices } from '../policy/money.ts';
import { advise } from './advice.ts';
import { bind, type LimitBook, limitBook } from './limits.ts';
import { lookUpPrices } from './price-list.ts';
import { inFileOrder, type Problem, problemLine } from './problem.ts';
import { type Config, DEFAULT_TIMEOUTS } from './schema.ts';
import type { Snapshot } from './snapshot.ts';
import type { Source } from './source.ts';

export interface Surroundings {
  readonly source: Source;
  /** What relative paths are relative to. */
  readonly directory: string;
  /** The snapshot's version. */
  readonly version: string;
  /** By provider name. */
  readonly apiKeys: ReadonlyMap<string, string>;
  /** Milliseconds since the epoch: prices have dates. */
  readonly now: number;
}

export type Compiled = { readonly snapshot: Snapshot } | { readonly problems: readonly Problem[] };

/** `config` has no dangling reference. */
export function compile(config: Config, around: Surroundings): Compiled {
  const { source } = around;
  const warnings: Problem[] = [];
  const providers = new Map(Object.entries(config.providers).map(([name]) => [name, providerOf(name, config, around)]));
  const models = new Map(
    Object.keys(config.models).map((name) => [name, modelOf(name, config, providers, around, warnings)]),
  );
  const tiers = new Map(Object.keys(config.tiers).map((id) => [id, tierOf(id, config)]));
  const book = limitBook(source);
  const callersByHash = callersOf(config, tiers, book);
  if (book.problems.length > 0) return { problems: book.problems };
  warnings.push(...advise(config, { models, callers: callersByHash, apiKeys: around.apiKeys }, source));
  const { listen } = config;
  return {
    snapshot: {
      version: around.version,
      region: config.region,
      listen: {
        data: listen.data,
        admin: listen.admin,
        bodyBytesMax: listen.bodyMax,
        inflightBytesMax: listen.inflightMax,
        bodyTimeoutMs: listen.bodyTimeout,
        writeStallMs: listen.writeStall,
        pingMs: listen.ping,
        drainMs: listen.drain,
      },
      stores: {
        limits: config.stores.limits,
        ledger: { kind: 'sqlite', path: resolve(around.directory, config.stores.ledger.path) },
      },
      providers,
      models,
      tiers,
      callersByHash,
      limits: book.limits,
      warnings: inFileOrder(warnings).map(problemLine),
    },
  };
}

function providerOf(name: string, config: Config, { apiKeys }: Surroundings): Provider {
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

function modelOf(
  name: string,
  config: Config,
  providers: ReadonlyMap<string, Provider>,
  { source, now }: Surroundings,
  warnings: Problem[],
): Model {
  const { targets, expectedOutputTokens, maxOutputTokens = null, unpriced } = config.models[name]!;
  return {
    name,
    targets: targets.map((target, index): Target => {
      const provider = providers.get(target.provider)!;
      const path = ['models', name, 'targets', index];
      const { prices, note } = pricesOf(target, provider, now);
      if (note !== null) warnings.push(source.problem(path, note));
      return {
        id: `${provider.name}/${target.model}`,
        provider,
        model: target.model,
        prices,
        timeouts: { ...DEFAULT_TIMEOUTS, ...config.providers[target.provider]!.timeouts, ...target.timeouts },
      };
    }),
    expectedOutputTokens: Math.min(expectedOutputTokens, maxOutputTokens ?? Number.POSITIVE_INFINITY),
    maxOutputTokens,
    unpriced,
  };
}

type WrittenTarget = Config['models'][string]['targets'][number];

function pricesOf(
  target: WrittenTarget,
  provider: Provider,
  now: number,
): { prices: Prices | null; note: string | null } {
  if (target.price !== undefined) {
    const { input, output, cacheRead = input, cacheWrite = input } = target.price;
    return { prices: { input, output, cacheRead, cacheWrite, source: 'config' }, note: null };
  }
  const looked = lookUpPrices(provider, target.model, now);
  if ('prices' in looked) return looked;
  return { prices: null, note: `the price of ${target.model} is unknown: ${looked.unknown}; write one under price` };
}

function tierOf(id: string, config: Config): Tier {
  const { name = id, upgrade } = config.tiers[id]!;
  if (upgrade === undefined) return { id, name, upgrade: null };
  const toName = config.tiers[upgrade.to]!.name ?? upgrade.to;
  return { id, name, upgrade: { to: upgrade.to, toName, url: upgrade.url ?? null } };
}

function callersOf(config: Config, tiers: ReadonlyMap<string, Tier>, book: LimitBook): Map<string, Caller> {
  const limitsOfTier = new Map(
    Object.entries(config.tiers).map(([id, tier]) => [id, book.add(id, tier.limits, ['tiers', id, 'limits'])]),
  );
  const callers = new Map<string, Caller>();
  for (const [name, organization] of Object.entries(config.organizations)) {
    const path = ['organizations', name];
    const shared = [
      ...limitsOfTier.get(organization.tier)!,
      ...book.add(name, organization.limits, [...path, 'limits']),
    ];
    const ofOrganization = bound(shared, 'organization', name);
    const allowed = narrowed(
      narrowed(Object.keys(config.models), config.tiers[organization.tier]!.models),
      organization.models,
    );
    for (const [key, settings] of Object.entries(organization.keys)) {
      const keyId = `${name}.${key}`;
      const own = book.add(keyId, settings.limits, [...path, 'keys', key, 'limits']);
      const limits = [...ofOrganization, ...bound([...shared, ...own], 'key', keyId)];
      callers.set(settings.hash, {
        keyId,
        organization: name,
        tier: tiers.get(organization.tier)!,
        models: new Set(narrowed(allowed, settings.models)),
        expiresAt: settings.expires ?? null,
        revoked: settings.revoked,
        limits,
        hasCostLimit: limits.some(({ limit }) => limit.dimension === 'cost'),
      });
    }
  }
  return callers;
}

function bound(limits: readonly Limit[], per: Limit['per'], subject: string): BoundLimit[] {
  return limits.filter((limit) => limit.per === per).map((limit) => bind(limit, subject));
}

/** The models that are also in `list`; all of them when there is no list. */
function narrowed(models: readonly string[], list: readonly string[] | undefined): string[] {
  if (list === undefined || list.includes('*')) return [...models];
  return models.filter((model) => list.includes(model));
}
