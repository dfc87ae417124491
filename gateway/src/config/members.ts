/** Which team and user each key belongs to, and which models it may call: what is inherited, resolved. Pure. */
import type { Config } from './schema.ts';

type Organization = Config['organizations'][string];
type Key = Organization['keys'][string];

/** The team and user of a key, by name; the team of its user unless it names one. */
export function membershipOf(
  organization: Organization,
  key: Key,
): { readonly team: string | null; readonly user: string | null } {
  const { user = null } = key;
  const team = key.team ?? (user === null ? undefined : organization.users[user]!.team);
  return { team: team ?? null, user };
}

/** The models that keys of an organization may call unless they have fewer. */
export function modelsOf(config: Config, organization: Organization): string[] {
  const ofTier = narrowed(Object.keys(config.models), config.tiers[organization.tier]!.models);
  return narrowed(ofTier, organization.models);
}

/** The models that are also in `list`; all of them when there is no list. */
export function narrowed(models: readonly string[], list: readonly string[] | undefined): string[] {
  if (list === undefined || list.includes('*')) return [...models];
  return models.filter((model) => list.includes(model));
}
