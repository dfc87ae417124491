// Runs a program as if it had been started itself: its output, its exit code, and the signals meant for it. Runs on old Nodes.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';

/** What ends a program. A terminal that closes sends SIGHUP, which the gateway takes as "read the configuration anew". */
const FORWARDED = { SIGINT: 'SIGINT', SIGTERM: 'SIGTERM', SIGHUP: 'SIGTERM' };
/** Ctrl-C arrives twice, from the terminal and from npm; only a later one is a second wish. */
const SAME_WISH_MS = 500;
const ORPHAN_CHECK_MS = 500;

/** Resolves with the exit code; 128 and the signal's number when a signal ended it, as in a shell. */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    // In a process group of its own, so that signals reach it through here only, and once.
    const detached = process.platform !== 'win32';
    const child = spawn(command, args, { stdio: 'inherit', detached, ...options });
    let last = Number.NEGATIVE_INFINITY;
    for (const [signal, forwarded] of Object.entries(FORWARDED)) {
      process.on(signal, () => {
        const now = performance.now();
        if (now - last > SAME_WISH_MS) child.kill(forwarded);
        last = now;
      });
    }
    // npm hands a signal to the shell between, which may die of it and hand nothing on.
    const parent = process.ppid;
    const orphaned = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(orphaned);
      child.kill('SIGTERM');
    }, ORPHAN_CHECK_MS).unref();
    child.once('error', (error) => {
      console.error(`${command} could not be started: ${error.message}`);
      resolve(1);
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
