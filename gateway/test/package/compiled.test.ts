import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const GATEWAY = fileURLToPath(new URL('../../', import.meta.url));
const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/** The package as it is published, laid out in a folder of its own. */
function publish(): string {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-package-'));
  const compiler = join(MODULES, 'typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')], {
    cwd: GATEWAY,
  });
  cpSync(join(GATEWAY, 'bin'), join(folder, 'bin'), { recursive: true });
  cpSync(join(GATEWAY, 'package.json'), join(folder, 'package.json'));
  symlinkSync(MODULES, join(folder, 'node_modules'));
  return folder;
}

test('the compiled package serves, its ledger thread included, and stops cleanly', async () => {
  const folder = publish();
  try {
    const config = join(folder, 'headgate.yaml');
    writeFileSync(config, 'listen: { data: "127.0.0.1:0", admin: "127.0.0.1:0" }\n');
    const program = join(folder, 'bin/headgate.mjs');
    const child = spawn(process.execPath, [program, 'serve', '--config', config], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let url: string | null = null;
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as { msg: string; data?: string };
      if (event.msg !== 'serving') continue;
      url = event.data ?? null;
      break;
    }
    const answer = await fetch(`${url}/readyz`);
    assert.equal(answer.status, 200);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
