import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { publish } from '../../bench/published.ts';

test('the compiled package serves, its ledger thread included, and stops cleanly', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-package-'));
  try {
    const config = join(folder, 'headgate.yaml');
    writeFileSync(config, 'listen: { data: "127.0.0.1:0", admin: "127.0.0.1:0" }\n');
    const program = publish(join(folder, 'package'));
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
