/**
 * One keep-alive connection of the load generator: writes a request, reads its answer, tells the times.
 *
 * Invariants
 *  (1) At most one exchange is under way.
 *  (2) After an exchange that was rejected, or whose answer says `closes`, the connection is of no further use.
 */
import { connect, type Socket } from 'node:net';
import { HttpReader } from './http-reader.ts';

/** Times are milliseconds since the request was written. */
export interface Exchange {
  readonly status: number;
  readonly firstByteMs: number;
  readonly lastByteMs: number;
  /** Parts in which the body came; for a chunked body that is its chunks, unless the network cut one. */
  readonly parts: number;
  /** The answer said `connection: close`. */
  readonly closes: boolean;
}

/** Is shown every answer while it arrives. */
export interface BodyListener {
  begin(): void;
  take(part: Buffer): void;
}

/** An exchange in which nothing arrives for this long has failed. */
const SILENCE_MS = 30_000;

export class Connection {
  readonly #socket: Socket;
  #pending: PromiseWithResolvers<Exchange> | null = null;
  #sentAt = 0;
  #firstAt = 0;
  #status = 0;
  #parts = 0;
  #closes = false;

  constructor(port: number, listener: BodyListener) {
    const reader = new HttpReader({
      head: (text) => {
        this.#status = Number(text.slice(9, 12));
        this.#closes = /\r\nconnection: *close/i.test(text);
        this.#firstAt = 0;
        this.#parts = 0;
        listener.begin();
      },
      body: (part) => {
        if (this.#firstAt === 0) this.#firstAt = performance.now();
        this.#parts++;
        listener.take(part);
      },
      end: () => this.#complete(),
    });
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.setTimeout(SILENCE_MS, () => this.#break(new Error(`nothing for ${SILENCE_MS} ms`)));
    this.#socket.on('error', (error) => this.#break(error));
    this.#socket.on('close', () => this.#break(new Error('closed by the subject')));
    this.#socket.on('data', (bytes) => {
      try {
        reader.take(bytes);
      } catch (error) {
        this.#break(error as Error);
      }
    });
  }

  /** Resolves when the answer is complete; rejects when the connection breaks before. */
  exchange(request: Buffer): Promise<Exchange> {
    this.#pending = Promise.withResolvers();
    this.#sentAt = performance.now();
    this.#socket.write(request);
    return this.#pending.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #complete(): void {
    const lastByteMs = performance.now() - this.#sentAt;
    const firstByteMs = this.#firstAt === 0 ? lastByteMs : this.#firstAt - this.#sentAt;
    this.#pending?.resolve({ status: this.#status, firstByteMs, lastByteMs, parts: this.#parts, closes: this.#closes });
    this.#pending = null;
  }

  #break(error: Error): void {
    this.#pending?.reject(error);
    this.#pending = null;
    this.#socket.destroy();
  }
}
