import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import type { Snapshot } from '../../src/config/snapshot.ts';
import { snapshotFrom } from '../fakes/config.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);

const STORY = `
region: eu-west
providers:
  openai: { protocol: openai, baseUrl: https://api.example.com/v1/, apiKey: \${KEY}, region: us-east, timeouts: { idle: 30s, total: 15m } }
  local:  { protocol: openai, baseUrl: http://127.0.0.1:8000, includeUsage: false }
models:
  chat-small:
    targets: [ { provider: local, model: llama, price: { input: 0.05, output: 0.20 } } ]
  chat-large:
    maxOutputTokens: 512
    targets:
      - { provider: local, model: llama-70b, price: { input: 1, output: 2, cacheRead: 0.1, cacheWrite: 1.25 }, timeouts: { idle: 5s } }
      - { provider: openai, model: big, price: { input: 3, output: 9 }, timeouts: { idle: 10s } }
tiers:
  free:
    models: [chat-small]
    limits: [ { requests: 5/minute } ]
    upgrade: { to: pro, url: https://example.com/plans }
  pro:
    name: Pro
    limits: [ { requests: 60/minute }, { tokens: 20M/month, per: organization } ]
organizations:
  acme:
    tier: pro
    limits: [ { cost: 20 USD/day } ]
    keys:
      web: { hash: "sha256:${A.toUpperCase()}", expires: 2027-01-31, limits: [ { concurrency: 2 } ] }
      night: { hash: "sha256:${B}", models: [chat-large], revoked: true }
`;

function caller(snapshot: Snapshot, hash: string) {
  const found = snapshot.callersByHash.get(hash);
  assert.ok(found);
  return found;
}

test('a provider has its origin, path, region and exactly one credential', () => {
  const { providers } = snapshotFrom(STORY, { KEY: 'k1' });
  assert.deepEqual(providers.get('openai'), {
    name: 'openai',
    protocol: 'openai',
    origin: 'https://api.example.com',
    basePath: '/v1',
    credential: ['authorization', 'Bearer k1'],
    region: 'us-east',
    includeUsage: true,
  });
  const local = providers.get('local')!;
  assert.deepEqual([local.basePath, local.credential, local.region, local.includeUsage], ['', [], 'eu-west', false]);
});

test("a target's waits are its own, else its provider's, else the defaults", () => {
  const [first, second] = snapshotFrom(STORY, { KEY: 'k1' }).models.get('chat-large')!.targets;
  assert.deepEqual(first!.timeouts, {
    connect: 5000,
    headers: 600_000,
    firstToken: 600_000,
    idle: 5000,
    total: 3_600_000,
  });
  assert.deepEqual(second!.timeouts, {
    connect: 5000,
    headers: 600_000,
    firstToken: 600_000,
    idle: 10_000,
    total: 900_000,
  });
});

test('configured prices are exact, and cached input costs as input unless it has a price', () => {
  const { models } = snapshotFrom(STORY, { KEY: 'k1' });
  const config = { source: 'config' };
  assert.deepEqual(models.get('chat-small')!.targets[0]!.prices, {
    input: 50_000,
    output: 200_000,
    cacheRead: 50_000,
    cacheWrite: 50_000,
    ...config,
  });
  assert.deepEqual(models.get('chat-large')!.targets[0]!.prices, {
    input: 1_000_000,
    output: 2_000_000,
    cacheRead: 100_000,
    cacheWrite: 1_250_000,
    ...config,
  });
});

test('no more output is reserved than a model may give', () => {
  const { models } = snapshotFrom(STORY, { KEY: 'k1' });
  const { expectedOutputTokens, maxOutputTokens } = models.get('chat-large')!;
  assert.deepEqual([expectedOutputTokens, maxOutputTokens], [512, 512]);
  assert.equal(models.get('chat-small')!.expectedOutputTokens, 1024);
});

test('a key is bound by every limit above it, the organization first, each counted for its own subject', () => {
  const web = caller(snapshotFrom(STORY, { KEY: 'k1' }), A);
  assert.deepEqual(
    web.limits.of('chat-large', null).map(({ counter }) => counter),
    [
      'pro.tokens-per-month@acme',
      'acme.cost-per-day@acme',
      'pro.requests-per-minute@acme.web',
      'acme.web.concurrency@acme.web',
    ],
  );
  assert.deepEqual([web.keyId, web.organization, web.revoked], ['acme.web', 'acme', false]);
  assert.equal(web.expiresAt, Date.UTC(2027, 0, 31));
});

test('a key may call what its tier, its organization and itself allow, all three', () => {
  const snapshot = snapshotFrom(STORY, { KEY: 'k1' });
  assert.deepEqual([...caller(snapshot, A).models], ['chat-small', 'chat-large']);
  const night = caller(snapshot, B);
  assert.deepEqual([[...night.models], night.revoked], [['chat-large'], true]);
});

test('a tier has the name that refusals say, and the name of its upgrade', () => {
  const { tiers } = snapshotFrom(STORY, { KEY: 'k1' });
  const upgrade = { to: 'pro', toName: 'Pro', url: 'https://example.com/plans' };
  assert.deepEqual(tiers.get('free'), { id: 'free', name: 'free', upgrade });
  assert.equal(tiers.get('pro')!.upgrade, null);
});

test('a limit knows the line it is configured in', () => {
  const { limits } = snapshotFrom(STORY, { KEY: 'k1' });
  const line = STORY.split('\n').findIndex((text) => text.includes('5/minute')) + 1;
  assert.equal(limits.find(({ id }) => id === 'free.requests-per-minute')!.source, `headgate.yaml:${line}`);
});

test('a value of the environment cannot change the structure of the configuration', () => {
  const { region } = snapshotFrom(`region: \${REGION}`, {
    REGION: 'x\nlisten: { data: 0.0.0.0:80 } # "',
  });
  assert.equal(region, 'x\nlisten: { data: 0.0.0.0:80 } # "');
  assert.equal(
    snapshotFrom(`tiers: { free: { name: \${NAME:-Free, and easy} } }`).tiers.get('free')!.name,
    'Free, and easy',
  );
});

test('a store of limits across the network has its defaults, and its password may be a variable of its own', () => {
  const { stores } = snapshotFrom(`stores: { limits: { url: "\${URL}", password: "\${PASS}" } }`, {
    URL: 'rediss-sentinel://app@one,two:7/main/3',
    PASS: 'p@ss/word',
  });
  assert.deepEqual(stores.limits, {
    kind: 'redis',
    mode: 'sentinel',
    hosts: [
      { host: 'one', port: 26_379 },
      { host: 'two', port: 7 },
    ],
    master: 'main',
    db: 3,
    username: 'app',
    password: 'p@ss/word',
    tls: true,
    ca: null,
    timeoutMs: 250,
    leaseMs: 120_000,
    orphans: 'charge',
  });
});

test('a credential may be in a file beside the configuration, and a relative ledger is beside it too', () => {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-'));
  try {
    writeFileSync(join(directory, 'key'), 'from-a-file\n');
    const file = join(directory, 'headgate.yaml');
    writeFileSync(file, 'providers: { p: { protocol: openai, baseUrl: http://127.0.0.1:1, apiKey: { file: key } } }');
    const loaded = loadConfig(file, {});
    assert.ok('snapshot' in loaded);
    assert.deepEqual(loaded.snapshot.providers.get('p')!.credential, ['authorization', 'Bearer from-a-file']);
    assert.equal(loaded.snapshot.stores.ledger.path, join(directory, 'data/headgate.db'));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a file that is not there is a problem and not a throw', () => {
  assert.deepEqual(loadConfig('/nowhere/headgate.yaml', {}), {
    problems: [{ file: 'headgate.yaml', line: null, column: null, path: '', text: 'the file cannot be read (ENOENT)' }],
  });
});
