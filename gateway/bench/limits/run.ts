/** Measures the limit stores. */
import { mkdirSync } from 'node:fs';
import { endAll } from '../children.ts';
import { limitsLeased } from './leased.ts';
import { limitsMemory } from './memory.ts';
import { limitsRedis } from './redis.ts';
import { rowsOf, type StoreOutcome, type StoreScenario, type StoreSite } from './scenario.ts';

export const STORE_SCENARIOS: readonly StoreScenario[] = [limitsMemory, limitsRedis, limitsLeased];

/** One after the other; those that cannot be measured here are named with the reason. */
export async function measureStores(scenarios: readonly StoreScenario[], site: StoreSite): Promise<StoreOutcome[]> {
  const outcomes: StoreOutcome[] = [];
  for (const scenario of scenarios) {
    const absent = scenario.missing();
    let readings: StoreOutcome['readings'] = [];
    if (absent === null) {
      const folder = `${site.folder}/${scenario.name}`;
      mkdirSync(folder);
      readings = await scenario.run({ ...site, folder });
      await endAll();
    }
    outcomes.push({ scenario: scenario.name, absent, readings, rows: rowsOf(readings) });
  }
  return outcomes;
}
