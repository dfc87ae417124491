/** The load generator's process: runs the windows it is sent, one after the other, and sends back what they gave. */
import { runWindow, type WindowOrder } from './window.ts';

process.on('message', (order: WindowOrder) => {
  runWindow(order).then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit());
