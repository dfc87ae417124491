/**
 * A way to a Redis on which one command can be caught: held back before the server has it, or its answer before the client has it.
 * So a process can be killed exactly there.
 *
 * Invariants
 *  (1) Commands of one connection arrive in order: what follows the caught one waits behind it.
 *  (2) What is caught stays so when the client dies; it arrives when {@link Gate.deliver} says so, or never.
 */
import { connect, createServer, type Socket } from 'node:net';
import type { RedisAddress } from '../../src/stores/redis/connection.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';
import { PLAIN, type RedisServer } from '../fakes/redis-server.ts';

/** Which side of the server the gate is shut on: the command does not arrive, or its answer does not. */
export type Side = 'command' | 'answer';

export interface Gate extends AsyncDisposable {
  readonly address: RedisAddress;
  /** Catches the next command that has `argument`; resolves when it is caught, on the side of the answer: when it was carried out. */
  catch(argument: string, side: Side): Promise<void>;
  /** Hands the server what was held back. */
  deliver(): void;
}

interface Trap {
  /** The argument as it is on the wire. */
  readonly bytes: Buffer;
  readonly side: Side;
  readonly caught: () => void;
}

export async function startGate({ port }: RedisServer): Promise<Gate> {
  const ways = new Set<Way>();
  let trap: Trap | null = null;
  const take = (bytes: Buffer): Trap | null => {
    const sprung = trap?.bytes !== undefined && bytes.includes(trap.bytes) ? trap : null;
    if (sprung !== null) trap = null;
    return sprung;
  };
  const near = await listenOnLoopback(
    createServer({ noDelay: true }, (client) => {
      ways.add(new Way(client, connect({ port, host: '127.0.0.1', noDelay: true }), take));
    }),
  );
  const [host, nearPort] = near.host.split(':') as [string, string];
  return {
    address: { ...PLAIN, hosts: [{ host, port: Number(nearPort) }] },
    catch(argument, side) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const bytes = Buffer.from(`\r\n$${Buffer.byteLength(argument)}\r\n${argument}\r\n`);
      trap = { bytes, side, caught: resolve };
      return promise;
    },
    deliver() {
      for (const way of ways) way.deliver();
    },
    async [Symbol.asyncDispose]() {
      for (const way of ways) way.end();
      await near[Symbol.asyncDispose]();
    },
  };
}

/** One connection, on both sides of the gate. */
class Way {
  readonly #server: Socket;
  #held: Buffer[] | null = null;
  #awaited: Trap | null = null;

  constructor(client: Socket, server: Socket, take: (bytes: Buffer) => Trap | null) {
    this.#server = server;
    for (const socket of [client, server]) socket.on('error', () => {});
    client.on('data', (bytes: Buffer) => {
      const trap = this.#held === null ? take(bytes) : null;
      if (trap?.side === 'command') this.#held = [];
      if (trap?.side === 'answer') this.#awaited = trap;
      if (this.#held === null) server.write(bytes);
      else this.#held.push(bytes);
      if (trap?.side === 'command') trap.caught();
    });
    server.on('data', (bytes) => {
      if (this.#awaited !== null) this.#awaited.caught();
      else if (client.writable) client.write(bytes);
    });
    client.on('close', () => {
      if (this.#held === null && this.#awaited === null) server.destroy();
    });
    server.on('close', () => client.destroy());
  }

  deliver(): void {
    if (this.#held === null) return;
    this.#server.write(Buffer.concat(this.#held));
    this.#held = null;
  }

  end(): void {
    this.#server.destroy();
  }
}
