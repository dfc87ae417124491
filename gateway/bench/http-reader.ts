/**
 * Reads HTTP/1.1 messages off a connection, requests and responses alike, without copying bodies: just what
 * the load generator and the upstream need, so that they cost less than what they measure.
 *
 * Invariants
 *  (1) Every message is announced by one `head`, then any number of `body`, then one `end`.
 *  (2) The bytes may arrive cut anywhere.
 *  (3) A body has a content-length, is chunked without trailers, or is empty; a body that ends with its connection is not known.
 */
export interface MessageSink {
  /** The start line and header lines, as latin1 text without the final empty line. */
  head(text: string): void;
  /** A part of the body; a view that is valid during the call only. */
  body(part: Buffer): void;
  end(): void;
}

/** What `left` counts down: nothing (line-wise parts of the message), or the bytes of a body or of a chunk. */
type State = 'head' | 'sized' | 'chunk-line' | 'chunk' | 'chunk-end' | 'trailer';

const LF = 10;
const CR = 13;
const END_OF_HEAD = Buffer.from('\r\n\r\n');

export class HttpReader {
  readonly #sink: MessageSink;
  #state: State = 'head';
  /** The beginning of a head that has not arrived completely. */
  #partial: Buffer | null = null;
  #left = 0;
  #line = '';

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  /** Takes the next bytes of the connection. Throws when they are not HTTP/1.1 as described above. */
  take(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'head') at = this.#takeHead(bytes, at);
      else if (this.#state === 'sized' || this.#state === 'chunk') at = this.#takeBody(bytes, at);
      else at = this.#takeLine(bytes, at);
    }
  }

  /** Returns where the body begins: an offset into `bytes`. */
  #takeHead(bytes: Buffer, from: number): number {
    const before = this.#partial?.length ?? 0;
    const seen = this.#partial === null ? bytes.subarray(from) : Buffer.concat([this.#partial, bytes.subarray(from)]);
    const end = seen.indexOf(END_OF_HEAD);
    if (end === -1) {
      this.#partial = Buffer.from(seen);
      return bytes.length;
    }
    this.#partial = null;
    const text = seen.toString('latin1', 0, end);
    this.#sink.head(text);
    this.#beginBody(text);
    return from + end + END_OF_HEAD.length - before;
  }

  #beginBody(head: string): void {
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    if (length !== null) {
      this.#left = Number(length[1]);
      this.#state = 'sized';
      if (this.#left === 0) this.#end();
    } else if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
      this.#line = '';
      this.#state = 'chunk-line';
    } else {
      this.#end();
    }
  }

  #takeBody(bytes: Buffer, from: number): number {
    const to = Math.min(bytes.length, from + this.#left);
    this.#left -= to - from;
    this.#sink.body(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
    if (this.#left === 0) {
      if (this.#state === 'sized') this.#end();
      else this.#state = 'chunk-end';
    }
    return to;
  }

  /** Collects one line of chunked framing; returns the offset after what belongs to it. */
  #takeLine(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length && bytes[at] !== LF) {
      if (bytes[at] !== CR) this.#line += String.fromCharCode(bytes[at]!);
      at++;
    }
    if (at === bytes.length) return at;
    this.#endLine(this.#line);
    this.#line = '';
    return at + 1;
  }

  #endLine(line: string): void {
    if (this.#state === 'chunk-line') {
      if (!/^[\da-f]{1,8}(;|$)/i.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
      this.#left = Number.parseInt(line, 16);
      this.#state = this.#left === 0 ? 'trailer' : 'chunk';
    } else {
      if (line !== '') throw new Error(`unexpected after a chunk: ${JSON.stringify(line)}`);
      if (this.#state === 'trailer') this.#end();
      else this.#state = 'chunk-line';
    }
  }

  #end(): void {
    this.#state = 'head';
    this.#sink.end();
  }
}
