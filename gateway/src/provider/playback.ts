/**
 * Performs a plan on a connection.
 *
 *   waiting ──► writing ──► ended          the other side may close at any time: ──► ended, timer cleared
 *      ▲           │
 *      └───────────┘  until a piece is due, or the socket has drained
 *
 * Invariants
 *  (1) Nothing is generated ahead of the socket: when it is full, the next piece waits for it to drain.
 *  (2) When the other side closes, generation ends at once and no timer is left.
 *  (3) Where `separate` is set, each piece is one chunk of a chunked body and one write(2) with Nagle's algorithm off, and
 *      the event loop turns before the next. A reader in this process therefore sees each piece on its own. A reader in another
 *      process sees each HTTP chunk on its own, but may find several of them in one read.
 *
 * Pieces go to the socket in chunked coding of our own: response.write() costs five times as much CPU for a long stream.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../clock.ts';
import type { EntryWriter } from './book.ts';
import { framed, type Piece, type Plan } from './plan.ts';

export function play(plan: Plan, response: ServerResponse<IncomingMessage>, writer: EntryWriter, clock: Clock): void {
  // A pipelined request has to wait for the socket until the one before it is answered.
  if (response.socket !== null) new Playback(plan, response, response.socket, writer, clock);
  else response.once('socket', (socket: Socket) => new Playback(plan, response, socket, writer, clock));
}

class Playback {
  readonly #plan: Plan;
  readonly #response: ServerResponse<IncomingMessage>;
  readonly #socket: Socket;
  readonly #writer: EntryWriter;
  readonly #clock: Clock;
  readonly #chunked: boolean;
  #next = 0;
  /** Monotonic milliseconds; null until the headers are sent. */
  #headersAt: number | null = null;
  #timer: Timer | null = null;
  #ended = false;

  constructor(
    plan: Plan,
    response: ServerResponse<IncomingMessage>,
    socket: Socket,
    writer: EntryWriter,
    clock: Clock,
  ) {
    this.#plan = plan;
    this.#response = response;
    this.#socket = socket;
    this.#writer = writer;
    this.#clock = clock;
    this.#chunked = plan.head?.length === null && response.req.httpVersion !== '1.0';
    response.once('finish', () => this.#over('finished'));
    response.once('close', () => this.#over('aborted'));
    if (plan.headersMs > 0) this.#timer = clock.after(plan.headersMs, () => this.#begin());
    else this.#begin();
  }

  #begin(): void {
    const { head, separate, usage } = this.#plan;
    this.#headersAt = this.#clock.monotonic();
    this.#writer.begun(head?.status ?? null, usage);
    this.#socket.cork();
    if (head !== null) {
      const length = head.length === null ? [] : ['content-length', String(head.length)];
      this.#response.writeHead(head.status, [...head.headers, ...length]);
      this.#response.flushHeaders();
    }
    if (separate) turn(this.#run);
    else this.#run();
    this.#socket.uncork();
  }

  readonly #run = (): void => {
    if (this.#ended) return;
    this.#socket.cork();
    this.#writeDue();
    this.#socket.uncork();
  };

  #writeDue(): void {
    for (let piece = this.#plan.pieces[this.#next]; piece !== undefined; piece = this.#plan.pieces[this.#next]) {
      const dueInMs = this.#dueInMs(piece);
      if (dueInMs > 0) {
        this.#timer = this.#clock.after(Math.ceil(dueInMs), this.#run);
        return;
      }
      this.#next++;
      const flowing = this.#write(piece);
      if (this.#plan.separate && flowing) {
        turn(this.#run);
        return;
      }
      if (!flowing) {
        this.#socket.once('drain', this.#run);
        return;
      }
    }
    this.#end();
  }

  #dueInMs({ beat }: Piece): number {
    const { ttftMs, paceMs } = this.#plan.pacing;
    if (this.#headersAt === null || beat === 0 || ttftMs + paceMs === 0) return 0;
    return this.#headersAt + ttftMs + (beat - 1) * paceMs - this.#clock.monotonic();
  }

  #write(piece: Piece): boolean {
    const { bytes, tokens, reportsUsage } = piece;
    this.#writer.generated(tokens);
    const wire = this.#chunked ? (piece.framed ?? framed(bytes)) : bytes;
    if (tokens === 0 && !reportsUsage) return this.#socket.write(wire);
    return this.#socket.write(wire, (error) => {
      if (!error) this.#writer.wrote(tokens, reportsUsage);
    });
  }

  #end(): void {
    const { ending } = this.#plan;
    if (ending === 'complete') this.#response.end();
    if (ending === 'close') this.#afterFlush(() => this.#socket.destroySoon());
    if (ending === 'reset') this.#afterFlush(() => this.#socket.resetAndDestroy());
  }

  /** Breaks the connection when all that was written has left, and a reader in this process has had its turn. */
  #afterFlush(breakOff: () => void): void {
    this.#socket.write('', () =>
      turn(() => {
        if (this.#ended) return;
        this.#over('broken');
        breakOff();
      }),
    );
  }

  #over(state: 'finished' | 'broken' | 'aborted'): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clock.clear(this.#timer);
    this.#socket.off('drain', this.#run);
    if (state === 'aborted') this.#writer.generated(this.#inTheMaking());
    this.#writer.ended(state);
  }

  /** Tokens of a piece of many (a JSON answer) that were made while the piece as a whole was not yet due. */
  #inTheMaking(): number {
    const piece = this.#plan.pieces[this.#next];
    const { paceMs } = this.#plan.pacing;
    if (piece === undefined || this.#headersAt === null || paceMs === 0) return 0;
    const beatsLeft = Math.ceil(this.#dueInMs(piece) / paceMs);
    return Math.max(0, Math.min(piece.tokens - 1, piece.tokens - beatsLeft));
  }
}

/** Runs `then` after the sockets of this process have been polled: one immediate may still be in the same turn of the loop. */
function turn(then: () => void): void {
  setImmediate(() => setImmediate(then));
}
