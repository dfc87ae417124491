/** Configurations for tests, from the YAML that a user would write. */

import type { Environment } from '../../src/config/env.ts';
import { loadText } from '../../src/config/load.ts';
import { problemLine } from '../../src/config/problem.ts';
import type { Snapshot } from '../../src/config/snapshot.ts';

/** The day whose prices apply in tests: the start of the virtual clock. */
export const TEST_NOW = Date.UTC(2026, 10, 21, 12, 0, 0);

/** The snapshot of a valid configuration; throws all its problems otherwise. Relative paths are relative to the root. */
export function snapshotFrom(yamlText: string, env: Environment = {}): Snapshot {
  const loaded = loadText(yamlText, { name: 'headgate.yaml', directory: '/', env, now: TEST_NOW });
  if ('problems' in loaded) throw new Error(loaded.problems.map(problemLine).join('\n'));
  return loaded.snapshot;
}
