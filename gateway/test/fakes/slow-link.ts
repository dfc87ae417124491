/**
 * A network in front of a server: delays, stalls or cuts what passes, on real sockets.
 *
 * Invariants
 *  (1) Bytes pass unchanged and in order, each direction for itself; a delay is served half on the way there, half on the way back.
 *  (2) A change counts at once, for what is under way too.
 */
import { connect, createServer, type Socket } from 'node:net';
import { systemClock, type Timer } from '../../src/clock.ts';
import { listenOnLoopback } from './loopback.ts';

export interface SlowLink extends AsyncDisposable {
  /** `127.0.0.1:4321` */
  readonly host: string;
  /** A round trip takes this much longer, in milliseconds; Infinity: nothing passes, and nobody is told. */
  delay(ms: number): void;
  /** Resets every connection, and each new one, until {@link restore}. */
  cut(): void;
  /** Everything passes at once again, what was held up first. */
  restore(): void;
}

/** A link to `port` of this machine. */
export async function startSlowLink(port: number): Promise<SlowLink> {
  const ways = new Set<Way>();
  let delayMs = 0;
  let isCut = false;
  const server = createServer({ noDelay: true }, (near) => {
    near.on('error', () => {});
    if (isCut) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port, host: '127.0.0.1', noDelay: true });
    far.on('error', () => {});
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      const way = new Way(from, to, () => delayMs / 2);
      ways.add(way);
      from.once('close', () => {
        ways.delete(way);
        way.end();
      });
    }
  });
  const near = await listenOnLoopback(server);
  const set = (ms: number): void => {
    delayMs = ms;
    for (const way of ways) way.pass();
  };
  const reset = (): void => {
    for (const way of ways) way.reset();
  };
  return {
    host: near.host,
    delay: set,
    cut() {
      isCut = true;
      reset();
    },
    restore() {
      isCut = false;
      set(0);
    },
    async [Symbol.asyncDispose]() {
      reset();
      await near[Symbol.asyncDispose]();
    },
  };
}

/** One direction of one connection. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #delayMs: () => number;
  readonly #held: { readonly arrivedAt: number; readonly bytes: Buffer }[] = [];
  #timer: Timer | null = null;

  constructor(from: Socket, to: Socket, delayMs: () => number) {
    this.#from = from;
    this.#to = to;
    this.#delayMs = delayMs;
    from.on('data', (bytes: Buffer) => {
      this.#held.push({ arrivedAt: systemClock.monotonic(), bytes });
      this.pass();
    });
  }

  /** Lets through what has waited for long enough. */
  pass(): void {
    systemClock.clear(this.#timer);
    this.#timer = null;
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      const waitMs = next.arrivedAt + this.#delayMs() - systemClock.monotonic();
      if (waitMs > 0) {
        if (Number.isFinite(waitMs)) this.#timer = systemClock.after(Math.ceil(waitMs), () => this.pass());
        return;
      }
      this.#held.shift();
      if (this.#to.writable) this.#to.write(next.bytes);
    }
  }

  reset(): void {
    this.#from.resetAndDestroy();
  }

  /** The other side learns of the end at once. */
  end(): void {
    systemClock.clear(this.#timer);
    this.#to.destroy();
  }
}
