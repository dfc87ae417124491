// Puts everything a clone needs beside it: the locked packages, and a Node that can run them. Runs on old Nodes.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** The Node that runs Headgate in this clone. */
export const node = join(root, 'node_modules/.bin/node');
const NODE_MAJOR = 24;

// Compiled code is kept between runs: a faster start, and a third less memory, as nothing has to be stripped of its types again.
process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules/.cache/compiled');

/** Installs what package-lock.json says, once for each state of it. */
export function setUp() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules/.cache/headgate-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock && nodeMajor() >= NODE_MAJOR) return;
  console.error('Installing packages (first run, or package-lock.json changed) ...');
  const npm = process.env.npm_execpath;
  const [command, args] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  // Engine warnings are about the Node that runs npm, not the one that runs Headgate.
  const installed = spawnSync(command, [...args, 'ci', '--loglevel=error', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (installed.status !== 0) fail('npm ci failed; see above.');
  if (nodeMajor() < NODE_MAJOR) installNode();
  if (nodeMajor() < NODE_MAJOR)
    fail(`Headgate needs Node ${NODE_MAJOR} or later, and the npm package "node" did not bring it.`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, lock);
}

/** An npm that runs no install scripts leaves the package `node` without its binary. */
function installNode() {
  const folder = join(root, 'node_modules/node');
  const script = join(folder, 'installArchSpecificPackage.js');
  if (existsSync(script)) spawnSync(process.execPath, [script], { cwd: folder, stdio: 'inherit' });
}

function nodeMajor() {
  try {
    return Number(execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).split('.')[0]);
  } catch {
    return 0;
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
