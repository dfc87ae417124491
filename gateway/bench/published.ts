/** The gateway as its package is published: compiled, in a folder of its own, with this clone's packages beside it. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const GATEWAY = fileURLToPath(new URL('../', import.meta.url));
const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** Makes `folder` and answers the program in it. Throws what the compiler says when it does not compile. */
export function publish(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const compiler = join(MODULES, 'typescript/bin/tsc');
  const args = [compiler, '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')];
  execFileSync(process.execPath, args, { cwd: GATEWAY });
  cpSync(join(GATEWAY, 'bin'), join(folder, 'bin'), { recursive: true });
  cpSync(join(GATEWAY, 'package.json'), join(folder, 'package.json'));
  symlinkSync(MODULES, join(folder, 'node_modules'));
  return join(folder, 'bin/headgate.mjs');
}
