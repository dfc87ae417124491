import { fileURLToPath } from 'node:url';
import { freePort, launch, listening } from '../children.ts';
import { ANY_KEY, type Subject } from './subject.ts';

const program = fileURLToPath(new URL('../floor.ts', import.meta.url));

/** See ../floor.ts. */
export const floor: Subject = {
  name: 'floor',
  async start({ folder, upstreamPort, core }) {
    const port = await freePort();
    const logFile = `${folder}/log`;
    const args = [program, String(port), `http://127.0.0.1:${upstreamPort}`];
    const child = launch({ command: process.execPath, args, logFile }, core);
    await listening(child, port, logFile);
    return { child, port, headers: () => ANY_KEY, version: `node ${process.version}`, configuration: '' };
  },
};
