/** What deserves attention in a configuration that is valid. */
import { isDeepStrictEqual } from 'node:util';
import type { Caller, Model } from '../call.ts';
import type { LimitRule } from './limit-rule.ts';
import { membershipOf } from './members.ts';
import type { Path, Problem } from './problem.ts';
import type { Config } from './schema.ts';
import type { Source } from './source.ts';

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

interface Compiled {
  readonly models: ReadonlyMap<string, Model>;
  readonly callers: ReadonlyMap<string, Caller>;
  readonly apiKeys: ReadonlyMap<string, string>;
}

export function advise(config: Config, compiled: Compiled, source: Source): Problem[] {
  const callers = [...compiled.callers.values()];
  return [
    ...idleProviders(config, compiled, source),
    ...keysInClearText(config, compiled, source),
    ...idleModels(callers, compiled, source),
    ...outOfReach(config, source),
    ...overshadowed(config, source),
    ...idleTeamsAndUsers(config, source),
    ...(callers.length === 0
      ? [source.problem(['organizations'], 'no organization has a key, so every call is refused', 'name')]
      : []),
  ];
}

function idleProviders(config: Config, { models, apiKeys }: Compiled, source: Source): Problem[] {
  const used = new Set([...models.values()].flatMap(({ targets }) => targets.map(({ provider }) => provider.name)));
  return Object.entries(config.providers).flatMap(([name, { apiKey }]) => {
    const path = ['providers', name];
    const problems: Problem[] = [];
    if (!used.has(name)) problems.push(source.problem(path, 'no model uses this provider', 'name'));
    if (apiKey !== undefined && !apiKeys.has(name)) {
      problems.push(
        source.problem([...path, 'apiKey'], 'the key is empty, so requests go without a credential', 'name'),
      );
    }
    return problems;
  });
}

/** Providers that are sent a key which anybody on the way can read. */
function keysInClearText(config: Config, { apiKeys }: Compiled, source: Source): Problem[] {
  return Object.entries(config.providers).flatMap(([name, { baseUrl }]) => {
    const near = LOOPBACK.test(baseUrl.hostname);
    if (baseUrl.protocol !== 'http:' || near || !apiKeys.has(name)) return [];
    const what = 'the key is sent in clear text to another machine; use https';
    return [source.problem(['providers', name, 'baseUrl'], what, 'name')];
  });
}

/** Models that nobody may call, and those that some may not call for want of a price. */
function idleModels(callers: readonly Caller[], { models }: Compiled, source: Source): Problem[] {
  return [...models.values()].flatMap(({ name, targets, unpriced }) => {
    const able = callers.filter((caller) => caller.models.has(name));
    if (able.length === 0) return [source.problem(['models', name], 'no key may call this model', 'name')];
    const capped = able.filter(({ limits }) => limits.countsCost(name));
    const unknown = targets.filter(({ prices }) => prices === null);
    if (unpriced === 'allow' || capped.length === 0 || unknown.length === 0) return [];
    const keys = capped.length === 1 ? `key ${capped[0]!.keyId} has` : `${capped.length} keys have`;
    const what = unknown.map(({ id }) => id).join(' and ');
    return [
      source.problem(
        ['models', name],
        `${keys} a limit on cost and the price of ${what} is unknown, so those calls are refused; write a price, or unpriced: allow`,
        'name',
      ),
    ];
  });
}

/** Models that are given to an organization or a key but not to what it belongs to. */
function outOfReach(config: Config, source: Source): Problem[] {
  const beyond = (
    models: readonly string[] | undefined,
    allowed: readonly string[],
    path: Path,
    owner: string,
  ): Problem[] =>
    (models ?? []).flatMap((model, index) =>
      allowed.includes('*') || allowed.includes(model) || model === '*'
        ? []
        : [source.problem([...path, index], `${owner} may not call this model, so neither may its part`)],
    );
  return Object.entries(config.organizations).flatMap(([name, organization]) => {
    const path = ['organizations', name];
    const ofTier = config.tiers[organization.tier]!.models;
    const ofOrganization = organization.models ?? ofTier;
    return [
      ...beyond(organization.models, ofTier, [...path, 'models'], `tier ${organization.tier}`),
      ...Object.entries(organization.keys).flatMap(([key, { models }]) =>
        beyond(models, ofOrganization, [...path, 'keys', key, 'models'], `organization ${name}`),
      ),
    ];
  });
}

/** Limits of a key that can never bind, because its organization has a smaller one over the same window. */
function overshadowed(config: Config, source: Source): Problem[] {
  return Object.entries(config.organizations).flatMap(([name, organization]) => {
    const ceilings = [...config.tiers[organization.tier]!.limits, ...organization.limits].filter(
      ({ per, models, onExceed }) => per === 'organization' && models === null && onExceed !== 'report',
    );
    const larger = (rule: LimitRule, path: Path): Problem[] => {
      const ceiling = ceilings.find((other) => isSmaller(other, rule));
      if (ceiling === undefined) return [];
      const text = `larger than the ${ceiling.slug} limit of organization ${name}, so it never binds`;
      return [source.problem(path, text)];
    };
    const path = ['organizations', name];
    return Object.entries(organization.keys).flatMap(([key, { limits }]) =>
      limits.flatMap((rule, index) => larger(rule, [...path, 'keys', key, 'limits', index])),
    );
  });
}

function isSmaller(ceiling: LimitRule, rule: LimitRule): boolean {
  const { dimension, window, weights } = rule;
  const sameUnit = ceiling.dimension === dimension && isDeepStrictEqual(ceiling.weights, weights);
  return sameUnit && ceiling.window === window && ceiling.amount < rule.amount;
}

/** Teams and users to which no key belongs, so that their limits wait for one. */
function idleTeamsAndUsers(config: Config, source: Source): Problem[] {
  return Object.entries(config.organizations).flatMap(([name, organization]) => {
    const members = Object.values(organization.keys).map((key) => membershipOf(organization, key));
    return (['team', 'user'] as const).flatMap((kind) => {
      const used = new Set(members.map((member) => member[kind]));
      return Object.keys(organization[`${kind}s`])
        .filter((one) => !used.has(one))
        .map((one) =>
          source.problem(['organizations', name, `${kind}s`, one], `no key belongs to this ${kind}`, 'name'),
        );
    });
  });
}
