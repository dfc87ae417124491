/** Parts of the configuration that each lead somewhere and together do not fit. Looked for in the data as written. */
import type { Problem } from './problem.ts';
import type { Source } from './source.ts';
import { at, entries } from './tree.ts';

/** Keys with the same hash: nobody could tell who calls. */
export function sharedHashes(source: Source): Problem[] {
  const owners = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [name, organization] of entries(at(source.data, 'organizations'))) {
    for (const [key, settings] of entries(at(organization, 'keys'))) {
      const hash = at(settings, 'hash');
      if (typeof hash !== 'string') continue;
      const owner = owners.get(hash.toLowerCase());
      if (owner === undefined) owners.set(hash.toLowerCase(), `${name}.${key}`);
      else {
        const path = ['organizations', name, 'keys', key, 'hash'];
        problems.push(source.problem(path, `the same hash as key ${owner}; every key needs a secret of its own`));
      }
    }
  }
  return problems;
}

/** Models that degrade to each other in a circle, each circle once. */
export function degradeCircles(source: Source): Problem[] {
  const problems: Problem[] = [];
  const followed = new Set<string>();
  for (const [name] of entries(at(source.data, 'models'))) {
    const chain: string[] = [];
    let next: unknown = name;
    while (typeof next === 'string' && !followed.has(next)) {
      followed.add(next);
      chain.push(next);
      next = at(source.data, 'models', next, 'degradeTo');
    }
    const from = typeof next === 'string' ? chain.indexOf(next) : -1;
    if (from === -1) continue;
    const circle = [...chain.slice(from), next].join(' -> ');
    const path = ['models', chain.at(-1)!, 'degradeTo'];
    problems.push(source.problem(path, `degrading comes round in a circle: ${circle}`));
  }
  return problems;
}

/** Keys of one team that belong to a user of another: it would be anybody's guess which team's limits bind them. */
export function membersOfTwoTeams(source: Source): Problem[] {
  return entries(at(source.data, 'organizations')).flatMap(([name, organization]) =>
    entries(at(organization, 'keys')).flatMap(([key, settings]) => {
      const team = at(settings, 'team');
      const user = at(settings, 'user');
      const teamOfUser = typeof user === 'string' ? at(organization, 'users', user, 'team') : undefined;
      if (typeof team !== 'string' || typeof teamOfUser !== 'string' || team === teamOfUser) return [];
      const path = ['organizations', name, 'keys', key, 'team'];
      return [source.problem(path, `its user ${user} belongs to team ${teamOfUser}; leave the team out here`)];
    }),
  );
}
