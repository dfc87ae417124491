/**
 * The data listener: node:http with every limit set on purpose, one exchange per request, and a drain that loses nothing.
 *
 * Invariants
 *  (1) `running` holds an exchange from its first byte until it is settled.
 *  (2) Once draining, no new request is served; those that run may finish.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock, Ids } from '../clock.ts';
import { Refused } from '../errors.ts';
import { Exchange } from './exchange.ts';
import { healthAnswer } from './health.ts';

/** Connections that send no request: longer than common load balancers keep theirs (60 s), so that they close first. */
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 60_000;
const HEADER_BYTES_MAX = 32 * 1024;
const LISTEN_BACKLOG = 4096;

export interface DataServerOptions {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly serve: (exchange: Exchange) => Promise<void>;
  /** Told when serving an exchange failed beyond what it can answer. */
  readonly defect: (requestId: string, cause: unknown) => void;
}

export class DataServer {
  /**
   * In no order. An array and not a Set: see stores/roomy-map.ts for what outgrown tables keep alive.
   */
  readonly running: Exchange[] = [];
  readonly #options: DataServerOptions;
  readonly #server: Server;
  #draining = false;
  #idle: (() => void) | null = null;

  constructor(options: DataServerOptions) {
    this.#options = options;
    this.#server = createServer(
      {
        noDelay: true,
        keepAliveTimeout: KEEP_ALIVE_MS,
        headersTimeout: HEADERS_MS,
        // Bodies have their own time (body.ts), which a reload can change.
        requestTimeout: 0,
        maxHeaderSize: HEADER_BYTES_MAX,
      },
      (request, response) => this.#serve(request, response),
    );
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      if (socket.writable) socket.end(malformed(error));
      else socket.destroy();
    });
  }

  /** Whether it accepts connections. */
  get listening(): boolean {
    return this.#server.listening;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** @throws the system's error when the address cannot be listened on. */
  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: LISTEN_BACKLOG }, () => {
        this.#server.off('error', reject);
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  /** Stops accepting, lets what runs finish for `drainMs`, then ends the rest with an error they can read. */
  async drain(drainMs: number): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    if (this.running.length > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
      const timer = this.#options.clock.after(drainMs, () => {
        for (const exchange of [...this.running]) exchange.interrupt(new Refused('draining'));
      });
      await idle;
      this.#options.clock.clear(timer);
    }
    this.#server.closeAllConnections();
    await closed;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { clock, ids } = this.#options;
    const exchange = new Exchange(ids.request(), clock.now(), clock.monotonic(), request, response);
    if (exchange.path === '/healthz' || exchange.path === '/readyz') {
      return healthAnswer(exchange.path, !this.#draining, response);
    }
    exchange.place = this.running.push(exchange) - 1;
    if (this.#draining) {
      response.shouldKeepAlive = false;
      exchange.interrupt(new Refused('draining'));
    }
    this.#options.serve(exchange).then(
      () => this.#over(exchange),
      (cause) => {
        this.#options.defect(exchange.id, cause);
        response.destroy();
        this.#over(exchange);
      },
    );
  }

  #over(exchange: Exchange): void {
    const last = this.running.pop()!;
    if (last !== exchange) {
      this.running[exchange.place] = last;
      last.place = exchange.place;
    }
    if (this.running.length === 0) this.#idle?.();
  }
}

/** The answer to what is not an HTTP request, so that no endpoint and no protocol is known yet. */
function malformed({ code }: NodeJS.ErrnoException): string {
  const [status, message] =
    code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', `The request headers are larger than ${HEADER_BYTES_MAX} bytes.`]
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'The request headers did not arrive in time.']
        : ['400 Bad Request', 'This is not a well-formed HTTP request.'];
  const error = { message, type: 'invalid_request_error', param: null, code: 'malformed_request' };
  const body = JSON.stringify({ error });
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}
