/** The folders of this directory are the contract: one for each row of the table, one file for each status it can give. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ENDPOINTS, type Endpoint } from '../../src/endpoints.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const FORWARDED = [200, 400, 401, 403, 404, 405, 413, 429, 502, 503, 504];
const ANSWERED_HERE = [200, 401, 405];
/** Of those that name a model in their path. */
const OF_A_MODEL = [403, 404];

function statusesOf({ admits, path }: Endpoint): readonly number[] {
  if (admits === 'limits') return FORWARDED;
  return path.endsWith('/') ? [...ANSWERED_HERE, ...OF_A_MODEL].toSorted() : ANSWERED_HERE;
}

for (const endpoint of ENDPOINTS) {
  test(`${endpoint.method} ${endpoint.path} has a test for every status that it can give`, () => {
    const files = readdirSync(`${HERE}/${endpoint.operation}`).toSorted();
    assert.deepEqual(
      files,
      statusesOf(endpoint).map((status) => `${status}.test.ts`),
    );
  });
}

test('no folder is left of an endpoint that is gone', () => {
  const folders = readdirSync(HERE, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const operations = new Set(ENDPOINTS.map(({ operation }) => operation));
  assert.deepEqual(folders.map(({ name }) => name).toSorted(), [...operations].toSorted());
});
