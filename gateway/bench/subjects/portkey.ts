import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { freePort, launch, listening } from '../children.ts';
import { ANY_KEY, type Subject } from './subject.ts';

const folderOfPackage = fileURLToPath(new URL('../../../node_modules/@portkey-ai/gateway/', import.meta.url));

/** Portkey's npm package on the same Node, in its leanest form: headless, NODE_ENV=production. */
export const portkey: Subject = {
  name: 'portkey',
  async start({ folder, upstreamPort, core }) {
    const program = `${folderOfPackage}build/start-server.js`;
    if (!existsSync(program)) throw new Error('@portkey-ai/gateway is not installed');
    const { version } = JSON.parse(readFileSync(`${folderOfPackage}package.json`, 'utf8')) as { version: string };
    const port = await freePort();
    const logFile = `${folder}/log`;
    const args = [program, `--port=${port}`, '--headless'];
    const child = launch({ command: process.execPath, args, env: { NODE_ENV: 'production' }, logFile }, core);
    await listening(child, port, logFile);
    const headers = [
      ...ANY_KEY,
      'x-portkey-provider: openai',
      `x-portkey-custom-host: http://127.0.0.1:${upstreamPort}/v1`,
    ];
    return { child, port, headers: () => headers, version, configuration: headers.join('\n') };
  },
};
