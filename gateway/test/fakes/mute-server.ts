/** A server that accepts connections and says nothing, so that the TLS handshake of who connects never ends. */
import { createServer } from 'node:net';
import { listenOnLoopback } from './loopback.ts';

export interface MuteServer extends AsyncDisposable {
  /** `https://127.0.0.1:4321` */
  readonly url: string;
  /** How many connections are open. */
  readonly connections: number;
}

export async function startMuteServer(): Promise<MuteServer> {
  // What the other side says has to be read for its leaving to be seen.
  const loopback = await listenOnLoopback(createServer((socket) => socket.on('error', () => undefined).resume()));
  return {
    url: `https://${loopback.host}`,
    get connections() {
      return loopback.connections;
    },
    [Symbol.asyncDispose]: () => loopback[Symbol.asyncDispose](),
  };
}
