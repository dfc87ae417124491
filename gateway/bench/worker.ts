/** A process that does one thing at a time for the one that started it, over their IPC channel. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { lastWords } from './children.ts';

/** In the worker: does what it is ordered to, and ends with the process that gives the orders. Announces that it is ready. */
export function serveOrders<Order, Result>(run: (order: Order) => Promise<Result>): void {
  process.on('message', (order) => {
    run(order as Order).then((result) => process.send?.(result));
  });
  process.on('disconnect', () => process.exit());
  process.send?.('ready');
}

/**
 * The other side: resolves when the worker is ready. It, and every answer, rejects with the end of the worker's log when the
 * worker ends instead.
 */
export async function worker<Order extends object, Result>(
  child: ChildProcess,
  logFile: string,
): Promise<(order: Order) => Promise<Result>> {
  const ended = once(child, 'exit').then((): never => {
    throw new Error(`${basename(logFile)}: the process ended: ${lastWords(logFile)}`);
  });
  // It ends with the run, when nobody waits for it any more.
  ended.catch(() => {});
  await Promise.race([once(child, 'message'), ended]);
  return async (order) => {
    child.send(order);
    const [result] = (await Promise.race([once(child, 'message'), ended])) as [Result];
    return result;
  };
}
