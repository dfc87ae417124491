/** What the simulated model server is about to do for one request: values only. Faults change a plan, playback performs it. */
import type { Random } from '../clock.ts';
import { type Cut, cut } from './cut.ts';

/** Bytes of the body that are written together. */
export interface Piece {
  /** Never empty. */
  readonly bytes: Buffer;
  /** The same bytes in HTTP's chunked coding, when somebody made them ready: one chunk or more. */
  readonly framed?: Buffer;
  /** How many completion tokens these bytes complete. */
  readonly tokens: number;
  /** 0: goes with the headers. n: goes when the n-th beat is due (see {@link Pacing}). */
  readonly beat: number;
  /** Whether these bytes complete the report of the usage. */
  readonly reportsUsage: boolean;
}

/** When tokens come. The n-th beat is due `ttftMs + (n - 1) * paceMs` after the headers. Milliseconds, from 0. */
export interface Pacing {
  /** From the headers to the first token. */
  readonly ttftMs: number;
  /** From one token to the next. */
  readonly paceMs: number;
}

export interface Head {
  readonly status: number;
  /** Flat name/value list, without the headers that belong to the connection or say how long the body is. */
  readonly headers: readonly string[];
  /** The content-length in bytes; null: chunked. */
  readonly length: number | null;
}

/** What a provider would put on the bill for the whole answer. */
export interface PlannedUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/**
 * How it ends after the last piece: `complete` (the HTTP message is complete), `close` (the connection is closed with FIN, and a
 * message whose length is not reached is thereby incomplete), `reset` (the connection is reset), `hang` (nothing more comes).
 */
export type Ending = 'complete' | 'close' | 'reset' | 'hang';

export interface Plan {
  /** Milliseconds before the headers. */
  readonly headersMs: number;
  /** Null: what is written is not HTTP. */
  readonly head: Head | null;
  readonly pacing: Pacing;
  readonly pieces: readonly Piece[];
  /** Whether the answer is a stream of server-sent events. */
  readonly streamed: boolean;
  /** Whether every piece goes out in a write of its own; otherwise pieces that are due together go together. */
  readonly separate: boolean;
  readonly ending: Ending;
  readonly usage: PlannedUsage;
}

export const NO_PACING: Pacing = { ttftMs: 0, paceMs: 0 };
export const NO_USAGE: PlannedUsage = { promptTokens: 0, completionTokens: 0 };
export const JSON_HEADERS: readonly string[] = ['content-type', 'application/json'];

export function piece(bytes: Buffer, tokens = 0, beat = 0, reportsUsage = false): Piece {
  return { bytes, tokens, beat, reportsUsage };
}

/** One chunk of HTTP's chunked coding (RFC 9112, 7.1). `bytes` is not empty, for an empty chunk would end the body. */
export function framed(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`, 'latin1'), bytes, Buffer.from('\r\n')]);
}

export function bodyOf(plan: Plan): Buffer {
  return Buffer.concat(plan.pieces.map(({ bytes }) => bytes));
}

/** An answer in JSON, at once. */
export function jsonPlan(status: number, value: unknown, headers: readonly string[] = []): Plan {
  const bytes = Buffer.from(JSON.stringify(value));
  return {
    headersMs: 0,
    head: { status, headers: [...JSON_HEADERS, ...headers], length: bytes.length },
    pacing: NO_PACING,
    pieces: [piece(bytes)],
    streamed: false,
    separate: false,
    ending: 'complete',
    usage: NO_USAGE,
  };
}

/** OpenAI's error shape. */
export function errorBody(message: string, type: string, code: string | null = null): object {
  return { error: { message, type, param: null, code } };
}

/** The same plan with its body cut anew. A piece waits for the last beat it has bytes of, and holds the tokens it completes. */
export function recut(plan: Plan, how: Cut, random: Random): Plan {
  const pieces: Piece[] = [];
  let from = 0;
  let startOfNext = 0;
  let next = 0;
  for (const bytes of cut(bodyOf(plan), how, random)) {
    const to = from + bytes.length;
    let [tokens, beat, reportsUsage] = [0, 0, false];
    for (let old = plan.pieces[next]; old !== undefined && startOfNext < to; old = plan.pieces[next]) {
      beat = old.beat;
      if (startOfNext + old.bytes.length > to) break;
      tokens += old.tokens;
      reportsUsage ||= old.reportsUsage;
      startOfNext += old.bytes.length;
      next++;
    }
    pieces.push(piece(bytes, tokens, beat, reportsUsage));
    from = to;
  }
  return { ...plan, pieces, separate: true };
}
