/** A way to a server on which what is sent can be held back, and arrive after what a later connection sent. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { listenOnLoopback } from './loopback.ts';

export interface Detour extends AsyncDisposable {
  readonly port: number;
  /** From now on, what the connections there are send waits here. */
  hold(): void;
  /** Cuts the connections there are at their client's end only; later ones go straight through. */
  cut(): void;
  /** Lets through what waits, and waits for the server's answer to it. */
  release(): Promise<void>;
}

/** One connection, on both sides of the detour. */
interface Way {
  readonly client: Socket;
  readonly server: Socket;
  /** What waits; null while everything goes straight through. */
  held: Buffer[] | null;
}

export async function detourTo(port: number): Promise<Detour> {
  const ways: Way[] = [];
  const loopback = await listenOnLoopback(
    createServer((client) => {
      const way: Way = { client, server: connect(port, '127.0.0.1'), held: null };
      ways.push(way);
      client.on('data', (bytes) => {
        if (way.held === null) way.server.write(bytes);
        else way.held.push(bytes);
      });
      way.server.on('data', (bytes) => client.writable && client.write(bytes));
      for (const socket of [client, way.server]) socket.on('error', () => {});
    }),
  );
  const waiting = () => ways.filter(({ held }) => held !== null && held.length > 0);
  return {
    port: Number(loopback.host.split(':')[1]),
    hold() {
      for (const way of ways) way.held ??= [];
    },
    cut() {
      for (const { client } of ways) client.destroy();
    },
    async release() {
      for (const { server, held } of waiting()) {
        const answered = once(server, 'data');
        server.write(Buffer.concat(held!));
        await answered;
      }
    },
    async [Symbol.asyncDispose]() {
      for (const { server } of ways) server.destroy();
      await loopback[Symbol.asyncDispose]();
    },
  };
}
