/**
 * The model server of the benchmarks: answers from prepared buffers on raw sockets, so that it is never what
 * limits a subject. What it does follows from the model name in the body (see traffic.ts).
 *
 *     node upstream.ts <port>
 */
import { createServer, type Socket } from 'node:net';
import { HttpReader } from './http-reader.ts';
import { JSON_ANSWER, streamEvents } from './traffic.ts';

const JSON_RESPONSE = Buffer.concat([
  Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${JSON_ANSWER.length}\r\nx-request-id: req_bench\r\n\r\n`,
  ),
  JSON_ANSWER,
]);
const STREAM_HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\nx-request-id: req_bench\r\n\r\n',
);

/** Stream by `<events>` and whether it ends with usage: one frame of chunked encoding for each event. */
const framesOf = new Map<string, Buffer[]>();

function frames(events: number, includeUsage: boolean): Buffer[] {
  const name = `${events} ${includeUsage}`;
  let all = framesOf.get(name);
  if (all === undefined) {
    all = streamEvents(events, includeUsage).map((event) =>
      Buffer.concat([Buffer.from(`${event.length.toString(16)}\r\n`), event, Buffer.from('\r\n')]),
    );
    all.push(Buffer.from('0\r\n\r\n'));
    framesOf.set(name, all);
  }
  return all;
}

/** One write for each event; waits whenever the socket is full. */
function pour(socket: Socket, all: readonly Buffer[], from: number): void {
  for (let next = from; next < all.length; next++) {
    if (!socket.write(all[next]!) && next + 1 < all.length) {
      socket.once('drain', () => pour(socket, all, next + 1));
      return;
    }
  }
}

/** One write every `paceMs`; the end of the body goes with the last event, as servers do. */
function drip(socket: Socket, all: readonly Buffer[], paceMs: number): void {
  let next = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || next >= all.length) {
      clearInterval(timer);
      return;
    }
    if (next + 2 < all.length) {
      socket.write(all[next++]!);
      return;
    }
    clearInterval(timer);
    socket.write(Buffer.concat(all.slice(next)));
  }, paceMs);
}

function answer(socket: Socket, body: Buffer): void {
  // Only the beginning is searched for the model: with a 100 KB prompt a full search would be the upstream's main cost.
  const stream = /"model" ?: ?"sse-(\d+)-(\d+)"/.exec(body.toString('latin1', 0, 200));
  if (stream === null) {
    socket.write(JSON_RESPONSE);
    return;
  }
  const all = frames(Number(stream[1]), body.includes('"include_usage"'));
  socket.write(STREAM_HEAD);
  if (stream[2] === '0') pour(socket, all, 0);
  else drip(socket, all, Number(stream[2]));
}

const server = createServer({ noDelay: true }, (socket) => {
  let body: Buffer | null = null;
  const reader = new HttpReader({
    head: () => {
      body = null;
    },
    body: (part) => {
      // The model is at the beginning of the body and `include_usage` is only looked for in small ones.
      if (body === null) body = Buffer.from(part);
      else if (body.length < 16_384) body = Buffer.concat([body, part]);
    },
    end: () => answer(socket, body ?? Buffer.alloc(0)),
  });
  socket.on('data', (bytes) => reader.take(bytes));
  socket.on('error', () => socket.destroy());
});
server.listen(Number(process.argv[2]), '127.0.0.1');
