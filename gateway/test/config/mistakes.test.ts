import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { loadText } from '../../src/config/load.ts';
import { problemLine } from '../../src/config/problem.ts';
import { TEST_NOW } from '../fakes/config.ts';

const FOLDER = join(import.meta.dirname, 'mistakes');
const SECRET = 'sk-not-to-be-shown';
const ENV = { SECRET, OPENAI_API_KEY: SECRET, HEADGATE_REGION: 'eu', HEADGATE_REGON: 'us' };

/** What `headgate check` would say: the problems, or the warnings of a configuration that is valid. */
function report(text: string): string {
  const loaded = loadText(text, { name: 'headgate.yaml', directory: FOLDER, env: ENV, now: TEST_NOW });
  const lines =
    'problems' in loaded
      ? loaded.problems.map(problemLine)
      : loaded.snapshot.warnings.map((text) => `warning: ${text}`);
  return `${lines.join('\n')}\n`;
}

describe('R45: every mistake is reported with its place, what was expected and the nearest right name', () => {
  const mistakes = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
  assert.ok(mistakes.length >= 25);
  for (const name of mistakes) {
    test(name.replace('.yaml', ''), () => {
      const said = report(readFileSync(join(FOLDER, name), 'utf8'));
      assert.equal(said, readFileSync(join(FOLDER, name.replace('.yaml', '.txt')), 'utf8'));
      assert.ok(!said.includes(SECRET), 'a message holds a secret');
    });
  }
});
