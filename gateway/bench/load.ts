/** The load generator's process: runs the windows it is sent, one after the other, and sends back what they gave. */
import { runWindow } from './window.ts';
import { serveOrders } from './worker.ts';

serveOrders(runWindow);
