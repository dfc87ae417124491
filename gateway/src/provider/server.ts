/**
 * The simulated model server: OpenAI's endpoints over plain node:http, answered with recordings or generated tokens, well or
 * badly as the script, the model's name or chance has it. `GET /_provider/book` tells what it served, `DELETE` forgets it.
 * It looks at no credential and keeps none but in `requests`.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Clock, type Random, systemRandom } from '../clock.ts';
import { type Behaviour, type Defaults, planAnswer } from './answer.ts';
import { type Book, type Entry, openBook } from './book.ts';
import type { Cut } from './cut.ts';
import type { Chance } from './notation.ts';
import { NO_PACING, type Pacing } from './plan.ts';
import { play } from './playback.ts';
import type { Recording } from './recording.ts';

export interface SimulatedProviderOptions {
  readonly clock: Clock;
  /** Chooses faults and random cuts. */
  readonly random?: Random;
  /** 127.0.0.1 unless given. */
  readonly host?: string;
  /** Any free port unless given. */
  readonly port?: number;
  readonly pacing?: Partial<Pacing>;
  /** Completion tokens of an answer; 100 unless given. */
  readonly tokens?: number;
  readonly cut?: Cut;
  readonly chances?: readonly Chance[];
  /** Answers for requests whose model is the name of one of them. */
  readonly recordings?: readonly Recording[];
  /** Decides for each request, before anything else. */
  readonly script?: (request: ReceivedRequest) => Behaviour | undefined;
  /** How many book entries are kept at least, from 1; all of them unless given. Totals are never limited. */
  readonly entriesKept?: number;
  /** Whether `requests` is kept, with every body; it is unless this is false. */
  readonly keepRequests?: boolean;
}

/** A request as it arrived. */
export interface ReceivedRequest {
  /** 1 for the first one; the same as in the book. */
  readonly number: number;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Flat name/value list as received. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** A request and what became of it. */
export interface ServedRequest extends ReceivedRequest {
  /** `state` is `aborted` from when the other side has closed; `endedAt` says when that was seen. */
  readonly entry: Entry;
}

export interface SimulatedProvider {
  /** `http://127.0.0.1:4321` */
  readonly url: string;
  readonly port: number;
  readonly book: Book;
  /** Oldest first. */
  readonly requests: readonly ServedRequest[];
  /** How many sockets are open now. */
  readonly connections: number;
  /** How many sockets were ever accepted. */
  readonly accepted: number;
  /** Stops listening and destroys every socket. */
  close(): Promise<void>;
}

const TOKENS = 100;
const BOOK = '/_provider/book';

/** Rejects when the address cannot be listened on. */
export async function startProvider(options: SimulatedProviderOptions): Promise<SimulatedProvider> {
  const { host = '127.0.0.1', port = 0, entriesKept = Number.POSITIVE_INFINITY, clock } = options;
  const book = openBook(clock, entriesKept);
  const served = serveRequests(options, book);
  // The other side decides how long it waits and how long it keeps a connection.
  const server = createServer(
    { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, noDelay: true },
    served.handle,
  );
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket) => {
    accepted++;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    book,
    requests: served.requests,
    get connections() {
      return sockets.size;
    },
    get accepted() {
      return accepted;
    },
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
    },
  };
}

function serveRequests(options: SimulatedProviderOptions, book: Book) {
  const { clock, script, keepRequests = true } = options;
  const defaults = defaultsOf(options);
  const requests: ServedRequest[] = [];

  function answer(request: IncomingMessage, response: ServerResponse<IncomingMessage>, body: Buffer): void {
    const { method = 'GET', url = '/', headers, rawHeaders } = request;
    const path = url.split('?', 1)[0]!;
    if (path === BOOK) {
      answerFromBook(book, method, response);
      return;
    }
    const received = { number: book.nextNumber, method, path, url, headers, rawHeaders, body };
    const { plan, model, faults } = planAnswer(received, script?.(received) ?? {}, defaults);
    const writer = book.open({ path, model, faults: faults.map(({ kind }) => kind) });
    if (keepRequests) requests.push({ ...received, entry: writer.entry });
    const head = plan.head && { ...plan.head, headers: withRequestId(plan.head.headers, received.number) };
    play({ ...plan, head }, response, writer, clock);
  }

  function handle(request: IncomingMessage, response: ServerResponse<IncomingMessage>): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      try {
        answer(request, response, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      } catch {
        // One request that cannot be answered must not end the server of all others.
        response.writeHead(500, { 'content-type': 'application/json' });
        response.end(
          '{"error":{"message":"The simulated provider failed.","type":"server_error","param":null,"code":null}}',
        );
      }
    });
  }

  return { handle, requests };
}

function defaultsOf(options: SimulatedProviderOptions): Defaults {
  const { clock, random = systemRandom, pacing, tokens = TOKENS, cut = null, chances = [], recordings = [] } = options;
  return {
    pacing: { ...NO_PACING, ...pacing },
    tokens,
    cut,
    chances,
    recordings: new Map(recordings.map((recording) => [recording.name, recording])),
    created: Math.floor(clock.now() / 1000),
    random,
  };
}

/** A recording keeps the request id it was recorded with. */
function withRequestId(headers: readonly string[], number: number): readonly string[] {
  const has = headers.some((header, at) => at % 2 === 0 && header.toLowerCase() === 'x-request-id');
  return has ? headers : [...headers, 'x-request-id', `sim-${number}`];
}

function answerFromBook(book: Book, method: string, response: ServerResponse<IncomingMessage>): void {
  if (method === 'DELETE') book.reset();
  const allowed = method === 'GET' || method === 'DELETE';
  const body = allowed ? JSON.stringify({ totals: book.totals, entries: book.entries }) : '';
  response.writeHead(allowed ? 200 : 405, { 'content-type': 'application/json' }).end(body);
}
