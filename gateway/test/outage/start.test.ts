import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { plainConfig } from '../fakes/gateway.ts';
import { needsRedis, startRedis } from '../fakes/redis-server.ts';
import { errorOf } from '../fakes/stand.ts';
import { assertCounted, COUNTED, settled } from './books.ts';
import { RECOVERY_MS, setScene, untilTrue } from './scene.ts';

const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const CLOSED =
  '[ { requests: 100/hour, models: [m], onStoreError: localShare }, { cost: 1 USD/year, models: [m], onStoreError: closed } ]';

test(
  'R12: a gateway that starts without its Redis says so once, serves by its policies, and uses Redis when it comes',
  needsRedis,
  async () => {
    await using scene = await setScene({ limits: COUNTED, store: false });
    assert.equal(await scene.metric('limits_degraded'), 1);
    for (let count = 0; count < 5; count++) assert.equal((await scene.ask()).status, 200);
    assert.deepEqual(
      scene.lines().map(({ level }) => level),
      ['error'],
    );
    await scene.redis.restart('empty');
    const recoveryMs = await untilTrue('it is used', async () => (await scene.metric('limits_degraded')) === 0);
    assert.ok(recoveryMs <= RECOVERY_MS, `used after ${recoveryMs} ms`);
    assert.equal((await scene.ask()).status, 200);
    const records = await settled(scene);
    assert.equal(records.length, 6);
    await assertCounted(scene, records);
    assert.deepEqual(
      scene.lines().map(({ level }) => level),
      ['error', 'info'],
    );
  },
);

test(
  'R12: a gateway that starts without its Redis lets nobody through a closed limit until it comes',
  needsRedis,
  async () => {
    await using scene = await setScene({ limits: CLOSED, store: false });
    const refused = await scene.ask();
    assert.equal(refused.status, 503);
    assert.equal(errorOf(refused).code, 'limits_unavailable');
    assert.equal(scene.provider.book.totals.requests, 0);
    await scene.redis.restart('empty');
    await untilTrue('it is used', async () => (await scene.ask()).status === 200);
  },
);

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

/** Runs `headgate serve` with its limits at `url` until it ends. */
async function serveUntilItEnds(url: string, more = ''): Promise<Ended> {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-start-'));
  try {
    const config = join(directory, 'headgate.yaml');
    const stores = `{ limits: { url: "${url}"${more} }, ledger: "sqlite:${directory}/ledger.db" }`;
    const listen = 'listen: { data: "127.0.0.1:0", admin: "127.0.0.1:0" }';
    writeFileSync(config, `${listen}\nstores: ${stores}\n${plainConfig({ providers: ['http://127.0.0.1:1'] })}`);
    const child = spawn(process.execPath, [CLI, 'serve', '-c', config], {
      // What the tests are told by the environment is not the gateway's.
      env: {},
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        // It serves, which no test here wants.
        if (said.includes('"serving"')) child.kill('SIGKILL');
      });
    }
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, said };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('R41: a Redis that forbids scripts ends the start, and the way out is said', needsRedis, async () => {
  await using redis = await startRedis({ config: ['user default on nopass ~* &* +@all -@scripting'] });
  const { code, said } = await serveUntilItEnds(`redis://127.0.0.1:${redis.port}`);
  assert.equal(code, 1);
  assert.match(said, /could not start.*forbids EVAL.*ACL SETUSER.*memory/s);
  assert.equal(said.trim().split('\n').length, 1, said);
});

test(
  'R41: a database that the server does not have ends the start: another one may be somebody else’s',
  needsRedis,
  async () => {
    await using redis = await startRedis();
    const { code, said } = await serveUntilItEnds(`redis://127.0.0.1:${redis.port}/99`);
    assert.equal(code, 1, said);
    assert.match(said, /could not start.*no database 99/s);
  },
);

for (const [what, url, more] of [
  ['a wrong password', (port: number) => `redis://:wrong-secret@127.0.0.1:${port}`, ''],
  ['a wrong password of its own', (port: number) => `redis://127.0.0.1:${port}`, ', password: wrong-secret'],
  ['an unknown user', (port: number) => `redis://wrong-user:wrong-secret@127.0.0.1:${port}`, ''],
  ['no password', (port: number) => `redis://127.0.0.1:${port}`, ''],
] as const) {
  test(`R12: ${what} ends the start, since waiting does not help, and no secret is told`, needsRedis, async () => {
    await using redis = await startRedis({ config: ['requirepass right-secret'] });
    const { code, said } = await serveUntilItEnds(url(redis.port), more);
    assert.equal(code, 1, said);
    assert.match(said, /could not start.*(password|user)/is);
    assert.doesNotMatch(said, /secret|wrong-user/);
    assert.equal(said.trim().split('\n').length, 1, said);
  });
}
