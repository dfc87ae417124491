/**
 * Receives a request body within its limits: one body's size, all bodies' size together, and the time it may take.
 *
 * Invariants
 *  (1) `held` equals the sum of what every {@link BodyLease} not yet given back has taken.
 *  (2) A body over a limit is refused before it is buffered where its length is declared, else at the first byte over it.
 */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../clock.ts';
import { Refused } from '../errors.ts';
import type { Exchange } from './exchange.ts';

/** The part of the listen settings that bounds bodies. */
export interface BodyLimits {
  /** Bytes of one body. */
  readonly bodyBytesMax: number;
  /** Bytes of all bodies that are held at the same time. */
  readonly inflightBytesMax: number;
  readonly bodyTimeoutMs: number;
}

const EMPTY = Buffer.alloc(0);

export class Bodies {
  #held = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes held by all requests in flight. */
  get held(): number {
    return this.#held;
  }

  /** @throws Refused `body_too_large`, `overloaded`, `body_timeout`, `body_encoding`, or `client_closed` when it never arrives whole. */
  receive(exchange: Exchange, limits: BodyLimits, lease: BodyLease): Promise<Buffer> {
    const { request } = exchange;
    const encoding = request.headers['content-encoding'];
    const transfer = request.headers['transfer-encoding'];
    // Node takes `gzip, chunked` for chunked; a proxy in front may not, and then the two disagree about where a body ends.
    const coded = transfer !== undefined && transfer.toLowerCase() !== 'chunked';
    if (coded || (encoding !== undefined && encoding !== 'identity')) throw new Refused('body_encoding');
    const declared = Number(request.headers['content-length'] ?? Number.NaN);
    if (declared === 0) return Promise.resolve(EMPTY);
    if (declared > limits.bodyBytesMax) throw tooLarge(limits.bodyBytesMax, declared);
    if (declared > 0) this.#take(declared, limits, lease);
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      const timer = this.#clock.after(limits.bodyTimeoutMs, () => fail(new Refused('body_timeout')));
      const fail = (reason: unknown): void => {
        this.#clock.clear(timer);
        exchange.work = null;
        request.removeAllListeners('data').removeAllListeners('end').resume();
        reject(reason);
      };
      exchange.work = { interrupt: fail };
      request.on('data', (piece: Buffer) => {
        bytes += piece.length;
        try {
          if (bytes > limits.bodyBytesMax) throw tooLarge(limits.bodyBytesMax, bytes);
          if (bytes > lease.bytes) this.#take(piece.length, limits, lease);
        } catch (refused) {
          return fail(refused);
        }
        pieces.push(piece);
      });
      request.on('end', () => {
        this.#clock.clear(timer);
        exchange.work = null;
        resolve(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, bytes));
      });
    });
  }

  /** Gives back what a body took, when nothing needs the body any more. */
  release(lease: BodyLease): void {
    this.#held -= lease.bytes;
    lease.bytes = 0;
  }

  #take(bytes: number, limits: BodyLimits, lease: BodyLease): void {
    if (this.#held + bytes > limits.inflightBytesMax) {
      throw new Refused('overloaded');
    }
    this.#held += bytes;
    lease.bytes += bytes;
  }
}

/** What one request's body has taken of the total. */
export interface BodyLease {
  bytes: number;
}

function tooLarge(most: number, size: number): Refused {
  return new Refused('body_too_large', {
    message: `The request body of ${size} bytes or more is over the limit of ${most} bytes.`,
  });
}

/** The rest of a refused body that is read and thrown away, rather than closing the connection under a caller that may go on. */
const DISCARDED_BYTES_MAX = 256 * 1024;

/**
 * Discards what is left of a refused body, so that the refusal can be read. Answers whether the connection can be used again:
 * not when the rest is large or its length unknown.
 */
export function discard(request: IncomingMessage): boolean {
  if (request.complete) return true;
  request.resume();
  return Number(request.headers['content-length'] ?? Number.NaN) <= DISCARDED_BYTES_MAX;
}
