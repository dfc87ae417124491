/**
 * One upstream request over undici's `dispatch`. The only file that knows undici.
 *
 * Invariants
 *  (1) Exactly one of `ended` and `failed` is called, once; nothing is called after it, nor after `abort`.
 *  (2) `abort` closes the provider's socket at once, in every phase, also while it is connecting.
 *  (3) No default of undici's caps an answer: its header and body timeouts are off, every wait is in {@link Deadlines}.
 */
import type { Socket } from 'node:net';
import type { buildConnector as BuildConnector, Dispatcher, Pool as UndiciPool } from 'undici';
import { buildConnector, Pool } from './undici-pool.ts';

/** How long an idle connection is kept. Below the idle close of common model servers (uvicorn: 5 s says so in a header). */
const KEEP_ALIVE_MS = 30_000;

export interface UpstreamRequest {
  readonly origin: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Flat list: name, value, name, value. */
  readonly headers: string[];
  readonly body: Buffer | null;
}

export interface UpstreamEvents {
  /** The connection stands; the request is being written. */
  sent(): void;
  answered(status: number, headers: Readonly<Record<string, string | string[] | undefined>>): void;
  data(piece: Buffer): void;
  ended(): void;
  failed(): void;
}

export interface Upstream {
  abort(): void;
  pause(): void;
  resume(): void;
}

/** Connections to every provider, kept alive between requests. */
export class Connections {
  readonly #pools = new Map<string, UndiciPool>();
  /** Who is being opened: undici connects, where it has to, before `dispatch` returns. */
  #opening: Handler | null = null;

  open(request: UpstreamRequest, events: UpstreamEvents): Upstream {
    const handler = new Handler(events);
    this.#opening = handler;
    this.#pool(request.origin).dispatch(request, handler);
    this.#opening = null;
    return handler;
  }

  /** Closes idle connections and waits for busy ones. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #pool(origin: string): UndiciPool {
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, {
        connections: null,
        // A second request behind an answer that streams for minutes would wait for all of it.
        pipelining: 1,
        allowH2: false,
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connect: this.#connector(),
      });
      this.#pools.set(origin, pool);
    }
    return pool;
  }

  /** Undici's own, but that an attempt knows the socket it waits for. */
  #connector(): BuildConnector.connector {
    const connect = buildConnector({ timeout: 0, allowH2: false });
    return (options, callback) => {
      // It answers the socket, which its types do not say.
      const socket = connect(options, callback) as unknown as Socket;
      if (this.#opening !== null) this.#opening.connecting = socket;
    };
  }
}

const ABORTED = new Error('aborted');

class Handler implements Dispatcher.DispatchHandler, Upstream {
  /** The socket that is being connected for it, until it is sent over one. */
  connecting: Socket | null = null;
  readonly #events: UpstreamEvents;
  #controller: Dispatcher.DispatchController | null = null;
  #over = false;

  constructor(events: UpstreamEvents) {
    this.#events = events;
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller?.abort(ABORTED);
    this.connecting?.destroy(ABORTED);
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.connecting = null;
    if (this.#over) controller.abort(ABORTED);
    else this.#events.sent();
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[]>): void {
    // 1xx answers announce the real one.
    if (status >= 200 && !this.#over) this.#events.answered(status, headers);
  }

  onResponseData(_: Dispatcher.DispatchController, piece: Buffer): void {
    if (!this.#over) this.#events.data(piece);
  }

  onResponseEnd(): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.ended();
  }

  onResponseError(): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.failed();
  }
}
