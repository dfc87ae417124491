/**
 * Hands an answer to the caller: whole, or as it flows, never faster than the caller reads.
 *
 * Invariants
 *  (1) Headers are written once; a failure after that is told inside the stream.
 *  (2) At most one piece beyond the socket's high-water mark is buffered: a caller that reads nothing stops the provider.
 *  (3) Comments and error frames stand between events, never inside one.
 *  (4) Every promise settles when the response is finished or the caller is gone, whichever comes first; who reads nothing for
 *      too long is dropped, to the last byte.
 */
import type { Clock, Timer } from '../clock.ts';
import { Refused } from '../errors.ts';
import type { HeaderList } from '../protocols/dialect.ts';
import type { Exchange } from './exchange.ts';

const PING = ': ping\n\n';
/** An answer that is whole goes out in slices, so that a slow caller and one that reads nothing can be told apart. */
const SLICE_BYTES = 256 * 1024;
/** As much of a provider's error as is told in a message. */
const QUOTED_BYTES = 2000;
const STREAM_HEADERS: HeaderList = ['content-type', 'text/event-stream; charset=utf-8', 'x-accel-buffering', 'no'];

/** A stream of bytes whose speed the delivery governs. */
export interface Flow {
  flow(sink: { data(bytes: Buffer): void; over(reason: Refused | null): void }): void;
  pause(): void;
  resume(): void;
  readonly midEvent: boolean;
}

export interface DeliverySettings {
  readonly writeStallMs: number;
  readonly pingMs: number | null;
}

export class Delivery {
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  readonly #settings: DeliverySettings;
  #ping: Timer | null = null;
  #lastWrite = 0;
  #source: Flow | null = null;

  constructor(exchange: Exchange, clock: Clock, settings: DeliverySettings) {
    this.#exchange = exchange;
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Whether the status is out, so that a failure can only be told inside the stream. */
  get committed(): boolean {
    return this.#exchange.response.headersSent;
  }

  /**
   * Sends an answer that is complete; answers why the caller did not get all of it, or null.
   * @throws Refused when comments have begun a stream, in which it has no place (R34).
   */
  async whole(status: number, headers: HeaderList, body: Buffer): Promise<Refused | null> {
    const exchange = this.#exchange;
    const { response } = exchange;
    if (exchange.left) return new Refused('client_closed');
    if (this.committed) throw outOfPlace(status, body);
    headers.push('content-length', String(body.length));
    response.writeHead(status, headers);
    let from = 0;
    for (; body.length - from > SLICE_BYTES && !exchange.left; from += SLICE_BYTES) {
      if (!response.write(body.subarray(from, from + SLICE_BYTES))) await this.#taken('drain');
    }
    return this.#end(from === 0 ? body : body.subarray(from));
  }

  /**
   * From now on keeps a silent stream alive with comments, if so configured. The first one commits status 200: from
   * then on a failure is an error frame (R34).
   */
  keepAlive(headers: () => HeaderList): void {
    const { pingMs } = this.#settings;
    if (pingMs === null) return;
    this.#lastWrite = this.#clock.monotonic();
    this.#ping = this.#clock.every(pingMs, () => {
      const { response } = this.#exchange;
      const silent = this.#clock.monotonic() - this.#lastWrite >= pingMs;
      if (!silent || response.writableNeedDrain || this.#source?.midEvent === true || response.destroyed) return;
      if (!this.committed) response.writeHead(200, [...headers(), ...STREAM_HEADERS]);
      this.#write(Buffer.from(PING));
    });
  }

  /**
   * Passes a stream on until it is over; answers why it did not complete, or null. `failure` makes the last frame, in the
   * caller's protocol.
   */
  async stream(
    status: number,
    headers: HeaderList,
    source: Flow,
    failure: (refused: Refused) => Buffer,
  ): Promise<Refused | null> {
    const exchange = this.#exchange;
    if (!this.committed && !exchange.left) exchange.response.writeHead(status, [...headers, ...STREAM_HEADERS]);
    this.#source = source;
    const reason = await this.#pump(source);
    this.close();
    if (exchange.left) return reason === null ? null : new Refused('client_closed');
    const last = reason === null || reason.code === 'upstream_error_in_stream' ? null : failure(reason);
    const left = await this.#end(last !== null && source.midEvent ? Buffer.concat([Buffer.from('\n\n'), last]) : last);
    return reason ?? left;
  }

  /** Ends an answer that was committed early and then failed. */
  fail(frame: Buffer): Promise<Refused | null> {
    this.close();
    return this.#end(frame);
  }

  /** Stops the comments. */
  close(): void {
    this.#clock.clear(this.#ping);
    this.#ping = null;
  }

  #pump(source: Flow): Promise<Refused | null> {
    const { response } = this.#exchange;
    return new Promise((resolve) => {
      let stalled: Timer | null = null;
      const drained = (): void => {
        this.#clock.clear(stalled);
        stalled = null;
        source.resume();
      };
      source.flow({
        data: (bytes) => {
          if (this.#write(bytes) || stalled !== null) return;
          source.pause();
          // Destroying the response closes the exchange, which aborts the provider and frees everything held.
          stalled = this.#clock.after(this.#settings.writeStallMs, () => response.destroy());
          response.once('drain', drained);
        },
        over: (reason) => {
          this.#clock.clear(stalled);
          response.off('drain', drained);
          resolve(reason);
        },
      });
    });
  }

  #write(bytes: Buffer): boolean {
    if (this.#settings.pingMs !== null) this.#lastWrite = this.#clock.monotonic();
    return this.#exchange.response.write(bytes);
  }

  async #end(last: Buffer | null): Promise<Refused | null> {
    const exchange = this.#exchange;
    if (!exchange.left) {
      if (last === null) exchange.response.end();
      else exchange.response.end(last);
      await this.#taken('finish');
    }
    return exchange.left ? new Refused('client_closed') : null;
  }

  /** Waits until the caller has taken what was written, or is gone. One that takes nothing in time is dropped. */
  #taken(event: 'drain' | 'finish'): Promise<void> {
    const { response } = this.#exchange;
    // Mostly the system takes all of it at once: then no timer is worth its cost.
    const stalled =
      response.writableLength === 0 ? null : this.#clock.after(this.#settings.writeStallMs, () => response.destroy());
    return new Promise((resolve) => {
      const over = (): void => {
        this.#clock.clear(stalled);
        response.off(event, over).off('close', over);
        resolve();
      };
      response.on(event, over).on('close', over);
    });
  }
}

/** Why an answer in one piece cannot follow comments: it says in a stream what the provider said outside of one. */
function outOfPlace(status: number, body: Buffer): Refused {
  if (status < 300) return new Refused('upstream_error', { message: 'The provider did not answer with a stream.' });
  const said = body.toString('utf8', 0, QUOTED_BYTES);
  const message = `The provider answered ${status}: ${said}`;
  return new Refused(status === 429 ? 'upstream_rate_limited' : 'upstream_refused', { message });
}
