/**
 * The processes of a run: started pinned to a core, with their output in a file, and all ended at the end.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Which core subjects run on, and which the upstream and the load generator run on; null when nothing is pinned. */
export interface Cores {
  readonly subject: number;
  readonly rig: number;
}

/** Pins this process to the rig's core too. Null when `taskset` is missing or there is one core only. */
export function chooseCores(): Cores | null {
  if (availableParallelism() < 2) return null;
  try {
    execFileSync('taskset', ['-cp', '1', String(process.pid)], { stdio: 'ignore' });
    return { subject: 0, rig: 1 };
  } catch {
    return null;
  }
}

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where standard output and error go. */
  readonly logFile: string;
  /** With an IPC channel. */
  readonly ipc?: boolean;
}

const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url));
const running = new Set<ChildProcess>();

export function launch(what: Launch, core: number | null): ChildProcess {
  const log = openSync(what.logFile, 'a');
  const command = core === null ? what.command : 'taskset';
  // taskset replaces itself by the command, so the process id is the command's.
  const args = core === null ? what.args : ['-c', String(core), what.command, ...what.args];
  const child = spawn(command, args, {
    stdio: ['ignore', log, log, what.ipc === true ? 'ipc' : 'ignore'],
    // Every Node subject alike starts from compiled code, as an installed package does.
    env: { NODE_COMPILE_CACHE: COMPILED, ...process.env, ...what.env },
  });
  running.add(child);
  child.on('error', () => running.delete(child));
  child.on('exit', () => running.delete(child));
  return child;
}

/** A TCP port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, '127.0.0.1');
  socket.on('connect', () => resolve(true));
  socket.on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

/** Waits until the child accepts connections on the port. Throws with the end of its log when it exits or takes over 20 s. */
export async function listening(child: ChildProcess, port: number, logFile: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) break;
    if (await accepts(port)) return;
    await after(50);
  }
  throw new Error(`did not start: ${lastWords(logFile)}`);
}

/** The end of a log, in one line. */
export function lastWords(logFile: string): string {
  const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-4).join(' | ');
  return said === '' ? 'it said nothing' : said;
}

/**
 * Ends every process that was launched and waits for it: asks, and kills after 3 s. Asking comes first because a killed
 * nginx leaves its worker behind.
 */
export async function endAll(): Promise<void> {
  const ends = Promise.all([...running].map((child) => once(child, 'exit')));
  for (const child of running) child.kill('SIGTERM');
  await Promise.race([ends, after(3000)]);
  for (const child of running) child.kill('SIGKILL');
  await ends;
}
