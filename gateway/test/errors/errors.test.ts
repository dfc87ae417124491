/** Every refusal is documented as it is, and no refusal exists that no test has seen. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { REFUSALS, type RefusalCode, Refused } from '../../src/errors.ts';

const PAGE = fileURLToPath(new URL('../../../docs/errors.md', import.meta.url));
const TESTS = fileURLToPath(new URL('..', import.meta.url));
const CODES = Object.keys(REFUSALS) as RefusalCode[];

/** The rows of the page's table, cell by cell. */
function documented(): Map<string, readonly string[]> {
  const lines = readFileSync(PAGE, 'utf8').split('\n');
  const cells = lines
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return new Map(cells.map(([, code, ...rest]) => [code!.replaceAll('`', ''), rest]));
}

test('docs/errors.md has a row for every code, in the order of the table, and for no other', () => {
  assert.deepEqual([...documented().keys()], CODES);
});

for (const code of CODES) {
  test(`docs/errors.md says of ${code} what the gateway does, and what to do about it`, () => {
    const { status, phase, source, retry, public: text } = REFUSALS[code];
    const [statusCell, phaseCell, sourceCell, retryCell, textCell, advice] = documented().get(code)!;
    assert.deepEqual(
      [statusCell, phaseCell, sourceCell, retryCell, textCell],
      [String(status), phase, source, retry, text],
    );
    assert.ok(advice!.length > 10, 'nothing to do about it');
  });
}

test('every code is seen by a test of the whole gateway', () => {
  const texts = ['requirements', 'endpoints', 'protocols', 'simulation', 'outage', 'admit'].flatMap((folder) =>
    readdirSync(join(TESTS, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(TESTS, folder, name), 'utf8')),
  );
  const unseen = CODES.filter((code) => !texts.some((text) => text.includes(`'${code}'`)));
  assert.deepEqual(unseen, []);
});

test('a refusal that clients should repeat later says when, if its status is one that they look for it at', () => {
  for (const code of CODES) {
    const { status, retry } = REFUSALS[code];
    const says = new Refused(code).detail.retryAfterMs !== undefined;
    assert.equal(says, retry === 'later' && (status === 429 || status === 503), code);
  }
  assert.equal(new Refused('overloaded', { retryAfterMs: 5 }).detail.retryAfterMs, 5);
});

test('what is rejected is recorded under the phase that rejects it', () => {
  for (const code of CODES) {
    const { phase, outcome } = REFUSALS[code];
    if (outcome.startsWith('rejected_')) assert.equal(outcome, `rejected_${phase}`, code);
  }
});

test('texts for callers are sentences', () => {
  for (const code of CODES) assert.match(REFUSALS[code].public, /^[A-Z].*\.$/, code);
});
