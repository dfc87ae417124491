import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Snapshot } from '../../src/config/snapshot.ts';
import { snapshotFrom } from '../fakes/config.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);

const PLACES = `
providers: { p: { protocol: openai, baseUrl: http://127.0.0.1:1 } }
models:
  small: { targets: [ { provider: p, model: s, price: { input: 0, output: 0 }, limits: [ { requests: 9/second } ] } ] }
  large:
    targets: [ { provider: p, model: "l {1}", price: { input: 0, output: 0 }, limits: [ { tokens: 1M/minute } ] } ]
    degradeTo: small
    maxOutputTokens: 300
    reserve: { output: 500, step: 1k }
    limits: [ { concurrency: 8 }, { requests: 3/minute, per: user } ]
tiers:
  pro: { limits: [ { requests: 60/minute }, { cost: 5 USD/day, per: tier }, { tokens: 1M/month, per: model, models: ["l*"] } ] }
organizations:
  acme:
    tier: pro
    teams: { search: { limits: [ { requests: 7/minute } ] } }
    users: { alice: { team: search, limits: [ { requests: 5/minute, models: [small] } ] } }
    keys:
      web: { hash: "sha256:${A}", user: alice, limits: [ { requests: 2/minute, per: endUser } ] }
      ci: { hash: "sha256:${B}", team: search, models: [small] }
stores: { limits: { url: memory, lease: 30s, orphans: refund } }
`;

function caller(snapshot: Snapshot, hash: string) {
  const found = snapshot.callersByHash.get(hash);
  assert.ok(found);
  return found;
}

test("R56: limits of every level bind a call, what is the organization's own first, each in the shard of its owner", () => {
  const web = caller(snapshotFrom(PLACES), A);
  assert.deepEqual([web.team, web.user], ['search', 'alice']);
  assert.deepEqual(
    web.limits.of('large', 'bob').map(({ counter, shard }) => [counter, shard]),
    [
      ['pro.tokens-per-month@acme:large', 'org:acme'],
      ['acme.teams.search.requests-per-minute@acme.teams.search', 'org:acme'],
      ['model:large.requests-per-minute@acme.users.alice', 'org:acme'],
      ['pro.requests-per-minute@acme.web', 'org:acme'],
      ['acme.web.requests-per-minute@acme.endUsers.bob', 'org:acme'],
      ['pro.cost-per-day@pro', 'tier:pro'],
      ['model:large.concurrency@large', 'model:large'],
    ],
  );
  assert.ok(web.limits.of('small', null).some(({ counter }) => counter.startsWith('acme.users.alice.')));
});

test('a key without a user is bound by no limit for users', () => {
  const ci = caller(snapshotFrom(PLACES), B);
  assert.deepEqual([ci.team, ci.user], ['search', null]);
  assert.deepEqual(
    ci.limits.of('small', null).map(({ subject }) => subject),
    ['acme.teams.search', 'acme.ci', 'pro'],
  );
});

test('R28b: a target has its own limits, each in a shard whose name no text of the configuration can break', () => {
  const { models } = snapshotFrom(PLACES);
  const bound = [...models.values()].flatMap(({ targets }) => targets.flatMap(({ limits }) => limits));
  assert.deepEqual(
    bound.map(({ counter, shard }) => [counter, shard]),
    [
      ['target:p/s.requests-per-second@p/s', 'target:p/s'],
      ['target:p/l%20%7B1%7D.tokens-per-minute@p/l%20%7B1%7D', 'target:p/l%20%7B1%7D'],
    ],
  );
});

test('a model says what it degrades to and how much it reserves, never more than it may give', () => {
  const { models } = snapshotFrom(PLACES);
  const { degradeTo, reserve, limits } = models.get('large')!;
  assert.deepEqual([degradeTo, reserve], ['small', { output: 300, step: 1000 }]);
  assert.deepEqual(
    limits.map(({ id }) => id),
    ['model:large.concurrency', 'model:large.requests-per-minute'],
  );
  const small = models.get('small')!;
  assert.deepEqual([small.degradeTo, small.reserve], [null, { output: 'cap', step: 1024 }]);
});

test('R13: places of a concurrency limit are leased for as long as reservations are', () => {
  const { stores, limits } = snapshotFrom(PLACES);
  assert.deepEqual(stores.limits, { kind: 'memory', leaseMs: 30_000, orphans: 'refund' });
  const slots = limits.find(({ dimension }) => dimension === 'concurrency')!;
  assert.deepEqual(slots.algorithm, { kind: 'concurrency', leaseMs: 30_000 });
});
