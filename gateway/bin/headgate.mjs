#!/usr/bin/env node
// Runs the compiled gateway where it is published, and the source where it is a clone; with a Node that can (24 or later).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const compiled = join(here, '../dist/src/cli/main.js');
const program = existsSync(compiled) ? compiled : join(here, '../src/cli/main.ts');

if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import(program);
} else {
  const node = newerNode();
  if (node === null) {
    console.error(
      `Headgate needs Node 24 or later; this is ${process.version}. Install it, or: npm install --save-dev node@24`,
    );
    process.exit(1);
  }
  const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code) => process.exit(code ?? 1));
}

/** The Node that the npm package `node` brings, if it is installed. */
function newerNode() {
  try {
    const path = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin/node');
    return existsSync(path) ? path : null;
  } catch {
    return null;
  }
}
