/** A port that is taken, by a command in a process of its own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { plainConfig } from '../fakes/gateway.ts';

const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const GIVE_UP_MS = 20_000;

async function takenPort(context: TestContext): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Runs the command to its own end; one that has to be stopped has no exit code. */
function headgate(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: 'utf8',
    timeout: GIVE_UP_MS,
  });
  return { code: status, stdout, stderr };
}

test('headgate provider on a port that is taken says so in one line, and exits 1', async (context) => {
  const port = await takenPort(context);
  assert.deepEqual(headgate('provider', '--port', String(port)), {
    code: 1,
    stdout: '',
    stderr: `Port ${port} is taken. Stop what uses it, or choose another with --port.\n`,
  });
});

for (const listener of ['data', 'admin']) {
  test(`headgate serve whose ${listener} port is taken says so, exits 1 by itself, and leaves nothing open behind`, async (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'headgate-taken-'));
    context.after(() => rmSync(directory, { recursive: true }));
    const port = await takenPort(context);
    const ports = { data: 0, admin: 0, [listener]: port };
    const file = join(directory, 'headgate.yaml');
    const listen = `listen: { data: "127.0.0.1:${ports.data}", admin: "127.0.0.1:${ports.admin}" }`;
    const stores = `stores: { ledger: "sqlite:${directory}/ledger.db" }`;
    writeFileSync(file, `${listen}\n${stores}\n${plainConfig({ providers: ['http://127.0.0.1:1'] })}`);
    const { code, stdout, stderr } = headgate('serve', '-c', file);
    assert.equal(stderr, `Port ${port} is taken. Stop what uses it, or set 'listen' in the configuration.\n`);
    assert.equal(code, 1);
    assert.doesNotMatch(stdout, /"msg":"serving"/);
    assert.ok(!existsSync(join(directory, 'ledger.db-wal')), 'the ledger was closed');
    assert.deepEqual(
      readdirSync(join(directory, 'ledger.journal')).filter((name) => name.endsWith('.jsonl')),
      [],
    );
  });
}
