/** R53: what an end user used of a quota is known after a restart, though no configuration names them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AT, Bench, record } from './records.ts';

test('the end users of an organization are those with calls in the time asked for', async (t) => {
  const ledger = await new Bench(t).open();
  ledger.append(JSON.stringify(record('req_1', { at: AT, endUser: 'bob' })));
  ledger.append(JSON.stringify(record('req_2', { at: AT, endUser: 'eva' })));
  ledger.append(JSON.stringify(record('req_3', { at: AT - 3_600_000, endUser: 'old' })));
  ledger.append(JSON.stringify(record('req_4', { at: AT, endUser: 'dan', organization: 'other' })));
  ledger.append(JSON.stringify(record('req_5', { at: AT, endUser: null })));
  assert.deepEqual((await ledger.endUsersSince('acme', AT - 60_000)).toSorted(), ['bob', 'eva']);
});
