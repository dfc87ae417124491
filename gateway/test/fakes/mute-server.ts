/** A server that accepts connections and says nothing, so that the TLS handshake of who connects never ends. */
import { type AddressInfo, createServer, type Socket } from 'node:net';

export interface MuteServer {
  /** `https://127.0.0.1:4321` */
  readonly url: string;
  /** How many connections are open. */
  readonly connections: number;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startMuteServer(): Promise<MuteServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // What the other side says has to be read for its leaving to be seen.
    socket
      .on('error', () => undefined)
      .on('close', () => sockets.delete(socket))
      .resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
