/**
 * A raw HTTP/1.1 client for tests: tells what arrived, when, in which pieces, and how the connection ended. A fresh
 * connection for every request, no redirects, no retries, no decoding.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { systemClock } from '../../src/clock.ts';

export interface SendOptions {
  /** Scheme, host and port: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** POST unless given. */
  readonly method?: string;
  readonly path: string;
  /** Pairs by name, or a flat name/value list that is sent as it is, followed by host and content-length. */
  readonly headers?: Readonly<Record<string, string>> | readonly string[];
  /** An object is sent as JSON, with its content-type unless `headers` is a list. */
  readonly body?: string | Buffer | object;
  /** Leaves by itself: when the request is sent but nothing came, or when so many bytes of the body came (0: the headers). */
  readonly abort?: 'before-headers' | { readonly afterBytes: number };
  /** Takes the headers and then reads nothing until {@link Exchange.read}. */
  readonly readNothing?: boolean;
}

export interface Received {
  /** Null when no headers came. */
  readonly status: number | null;
  /** By lower-case name; of a repeated header the last value. */
  readonly headers: Readonly<Record<string, string>>;
  /** Flat name/value list as received. */
  readonly rawHeaders: readonly string[];
  /** The whole body that came. */
  readonly bytes: Buffer;
  readonly text: string;
  /** Each HTTP chunk, or what one read gave of it; `at` in monotonic milliseconds. */
  readonly chunks: readonly { readonly at: number; readonly bytes: Buffer }[];
  /**
   * `end`: the HTTP message was complete; `cut`: FIN before that; `reset`: RST; `garbage`: not HTTP;
   * `aborted`: this side left; `refused`: no connection.
   */
  readonly closed: 'end' | 'cut' | 'reset' | 'garbage' | 'aborted' | 'refused';
  /** Monotonic milliseconds at which it closed. */
  readonly closedAt: number;
}

export interface Exchange {
  /** When the headers have come, or it ended without: their status or null. Never rejects. */
  readonly headers: Promise<number | null>;
  /** When it is over. Never rejects. */
  readonly done: Promise<Received>;
  /** How many bytes of the body have come so far. */
  readonly bytesReceived: number;
  /** Reads on, after `readNothing`. */
  read(): void;
  /** Leaves now. */
  abort(): void;
}

/** Sends and waits until it is over. */
export function send(options: SendOptions): Promise<Received> {
  return exchange(options).done;
}

/** Sends, and stays in control of what comes back. */
export function exchange(options: SendOptions): Exchange {
  const { abort, readNothing = false } = options;
  const { url, init, body } = prepare(options);
  const chunks: { at: number; bytes: Buffer }[] = [];
  const headers = Promise.withResolvers<number | null>();
  const done = Promise.withResolvers<Received>();
  const request = httpRequest(url, init);
  let response: IncomingMessage | null = null;
  let bytesReceived = 0;
  let over = false;

  const finish = (closed: Received['closed']): void => {
    if (over) return;
    over = true;
    headers.resolve(response?.statusCode ?? null);
    done.resolve(receivedOf(response, chunks, closed));
  };
  const leave = (): void => {
    finish('aborted');
    request.destroy();
  };
  request.once('response', (incoming) => {
    response = incoming;
    headers.resolve(incoming.statusCode ?? null);
    incoming.on('data', (bytes: Buffer) => {
      chunks.push({ at: systemClock.monotonic(), bytes });
      bytesReceived += bytes.length;
      if (typeof abort === 'object' && bytesReceived >= abort.afterBytes) leave();
    });
    incoming.once('end', () => finish('end'));
    incoming.once('error', () => setImmediate(() => finish('cut')));
    if (readNothing) incoming.pause();
    if (typeof abort === 'object' && abort.afterBytes === 0) leave();
  });
  // The parser reports a reset and an early FIN alike; only the socket knows which it was.
  request.once('socket', (socket) => socket.once('error', (error) => finish(closedBy(error))));
  request.once('error', (error) => finish(closedBy(error)));
  request.end(body, () => {
    if (abort === 'before-headers') leave();
  });
  return {
    headers: headers.promise,
    done: done.promise,
    get bytesReceived() {
      return bytesReceived;
    },
    read: () => void response?.resume(),
    abort: leave,
  };
}

function prepare({ url, method = 'POST', path, headers = {}, body }: SendOptions) {
  const json = typeof body === 'object' && !Buffer.isBuffer(body);
  const bytes = json ? JSON.stringify(body) : body;
  const length = bytes === undefined ? 0 : Buffer.byteLength(bytes);
  const target = new URL(path, url);
  // Node adds no host to a list.
  const sent = Array.isArray(headers)
    ? [...headers, 'host', target.host, 'content-length', String(length)]
    : { ...(json ? { 'content-type': 'application/json' } : {}), ...headers, 'content-length': String(length) };
  return { url: target, init: { method, agent: false, headers: sent }, body: bytes };
}

function closedBy(error: Error): Received['closed'] {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code.startsWith('HPE_')) return 'garbage';
  if (code === 'ECONNREFUSED') return 'refused';
  return message === 'socket hang up' ? 'cut' : 'reset';
}

function receivedOf(
  response: IncomingMessage | null,
  chunks: Received['chunks'],
  closed: Received['closed'],
): Received {
  const bytes = Buffer.concat(chunks.map((chunk) => chunk.bytes));
  const rawHeaders = response?.rawHeaders ?? [];
  const headers: Record<string, string> = {};
  for (let at = 0; at < rawHeaders.length; at += 2) headers[rawHeaders[at]!.toLowerCase()] = rawHeaders[at + 1]!;
  return {
    status: response?.statusCode ?? null,
    headers,
    rawHeaders,
    bytes,
    text: bytes.toString('utf8'),
    chunks,
    closed,
    closedAt: systemClock.monotonic(),
  };
}
