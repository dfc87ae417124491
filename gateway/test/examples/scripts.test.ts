import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Program, ROOT } from './program.ts';

test('npm run example without a name lists the examples with a line on each, and exits 2', async () => {
  const { code, stderr } = await new Program('scripts/run.mjs', ['example']).ended();
  assert.equal(code, 2);
  assert.match(stderr, /^ {2}first-limit {2}5 requests a minute in front of a Python endpoint$/m);
  assert.match(stderr, /^ {2}quickstart {3}the gateway with three tiers/m);
});

test('npm run example with an unknown name suggests the nearest one, and exits 2', async () => {
  const { code, stderr } = await new Program('scripts/run.mjs', ['example', 'frist-limit']).ended();
  assert.equal(code, 2);
  assert.match(stderr, /^There is no example frist-limit; did you mean first-limit\?\n/);
  const far = await new Program('scripts/run.mjs', ['example', 'xyz']).ended();
  assert.match(far.stderr, /^There is no example xyz\n/);
});

/** A program that runs `program` through scripts/child.mjs and ends as it does; `shell` puts a process between, as npm does. */
function wrapped(context: TestContext, program: string, shell = false): Program {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-child-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const written = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const child = pathToFileURL(join(ROOT, 'scripts/child.mjs')).href;
  const run = `process.exit(await run(process.execPath, ['-e', ${JSON.stringify(program)}]));`;
  const inner = written('inner.mjs', `import { run } from '${child}'; ${run}`);
  const spawn = `spawn(process.execPath, ['${inner}'], { stdio: 'inherit' });`;
  const outer = written('outer.mjs', `import { spawn } from 'node:child_process'; ${spawn}`);
  return new Program(relative(ROOT, shell ? outer : inner));
}

const COUNT_SIGNALS = `
  const seen = [];
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {
    if (seen.push(signal) === 1) setTimeout(() => { console.log(seen.join()); process.exit(7); }, 200);
  });
  setInterval(() => undefined, 1000);
  console.log('ready');`;

for (const [sent, arrives] of [
  ['SIGINT', 'SIGINT'],
  ['SIGTERM', 'SIGTERM'],
  ['SIGHUP', 'SIGTERM'],
] as const) {
  test(`${sent} sent twice at once to an npm script reaches its program once, as ${arrives}; the exit code comes back`, async (context) => {
    await using program = wrapped(context, COUNT_SIGNALS);
    await program.prints(/ready/);
    program.kill(sent);
    program.kill(sent);
    const { code, stdout } = await program.ended();
    assert.deepEqual([code, stdout], [7, `ready\n${arrives}\n`]);
  });
}

test('an npm script whose program dies of a signal exits as a shell would', async (context) => {
  const { code } = await wrapped(context, `process.kill(process.pid, 'SIGKILL')`).ended();
  assert.equal(code, 137);
});

test('a program ends when the shell between npm and its script dies without handing the signal on', async (context) => {
  await using program = wrapped(context, COUNT_SIGNALS, true);
  await program.prints(/ready/);
  program.kill('SIGKILL');
  const { stdout } = await program.ended();
  assert.equal(stdout, 'ready\nSIGTERM\n');
});
