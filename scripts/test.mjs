// `npm test`: everything, from format to the examples. What the tests need beyond npm is installed where the machine lets it;
// what is missing then is reported by the tests that need it, as skipped by name, or as failed under HEADGATE_TEST_REQUIRE=all.
// Arguments are passed to node's test runner; a file or pattern among them replaces "all tests".
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { node, root } from './setup.mjs';

/** Debian packages by the program that shows they are there. */
const PACKAGES = {
  promtool: 'prometheus',
  python3: 'python3-venv',
  'redis-server': 'redis-server',
  openssl: 'openssl',
};

function onPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function installMissing() {
  const missing = Object.entries(PACKAGES).filter(([program]) => !onPath(program));
  if (missing.length === 0) return;
  const names = missing.map(([, name]) => name);
  if (process.getuid?.() !== 0 || !onPath('apt-get')) {
    console.error(`Not here, and not installed: ${names.join(', ')}. Tests that need them are skipped by name.`);
    return;
  }
  console.error(`Installing ${names.join(', ')} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  spawnSync('apt-get', ['update', '-q'], quiet);
  spawnSync('apt-get', ['install', '-qy', '--no-install-recommends', ...names], quiet);
}

function step(title, command, args) {
  console.error(`\n${title}`);
  const started = Date.now();
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    console.error(`${title}: failed`);
    process.exit(status ?? 1);
  }
  console.error(`${title}: ${Math.round((Date.now() - started) / 1000)} s`);
}

const bin = (name) => join(root, 'node_modules/.bin', name);
const args = process.argv.slice(2);
const patterns = args.filter((arg) => !arg.startsWith('-'));
const flags = args.filter((arg) => arg.startsWith('-'));

installMissing();
if (patterns.length === 0) {
  step('Format and lint', bin('biome'), ['check', '--error-on-warnings']);
  step('Types', node, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.']);
}
console.error('\nTests');
// Nothing is printed behind these: the runner's own summary has the last word.
const tests = [
  '--test',
  '--test-concurrency=2',
  '--test-timeout=300000',
  '--test-reporter=spec',
  ...flags,
  ...(patterns.length === 0 ? ['gateway/test/**/*.test.ts'] : patterns),
];
process.exit(spawnSync(node, tests, { cwd: root, stdio: 'inherit' }).status ?? 1);
