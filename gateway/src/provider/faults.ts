/** What can go wrong with a model server: each fault turns the plan of a good answer into that of a bad one. */
import { bodyOf, errorBody, jsonPlan, NO_USAGE, type Piece, type Plan, piece } from './plan.ts';

/** A place in the body: after so many pieces (events of a stream, of which the role is the first) or bytes; from 0. */
export type Point = { readonly events: number } | { readonly bytes: number };

/**
 * - `status`: an error answer instead; `body` is sent as JSON, or as it is when it is text;
 * - `delay`: so much longer until the headers;
 * - `first-token`: headers (and a stream's role event) at once, but so much longer until the first token;
 * - `stall`: nothing more after that point, with the connection open;
 * - `cut`: the body ends there as if that were all: the HTTP message is complete, the answer in it is not;
 * - `close`: the connection is closed there (FIN), in the middle of the HTTP message;
 * - `reset`: the connection is reset there (RST);
 * - `error`: after so many events a stream carries an error instead of the rest, and no `[DONE]`; a JSON answer is
 *   an error under status 200;
 * - `garbage`: `http`: not even HTTP; `json`: a web page instead of the body; `sse`: after a stream's first event one
 *   that is half an object, then the rest (a JSON answer is cut in half);
 * - `empty`: status 200 and no body;
 * - `no-done`: a stream ends with its finish reason (and usage), without `[DONE]`;
 * - `silent`: the connection is accepted, and nothing comes.
 *
 * `stall`, `cut`, `close` and `reset` never leave the body whole: where it is shorter than the point, half of it is sent.
 */
export type Fault =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body?: object | string;
      /** Flat name/value list. */
      readonly headers?: readonly string[];
    }
  | { readonly kind: 'delay' | 'first-token'; readonly ms: number }
  | { readonly kind: 'stall' | 'cut' | 'close' | 'reset'; readonly after: Point }
  | { readonly kind: 'error'; readonly afterEvents: number }
  | { readonly kind: 'garbage'; readonly what: 'http' | 'json' | 'sse' }
  | { readonly kind: 'empty' | 'no-done' | 'silent' };

const SERVER_ERROR = errorBody('The simulated model server failed on demand.', 'server_error');
const NOT_HTTP = Buffer.from('\x16\x03\x01 this is not HTTP\r\n\r\n', 'latin1');
const NOT_JSON = Buffer.from('<!doctype html><title>502</title><p>simulated garbage\n\n');
const HALF_AN_EVENT = Buffer.from('data: {"choices":[{"index":0,"delta":{"content":"sim\n\n');

export function applyFault(plan: Plan, fault: Fault): Plan {
  switch (fault.kind) {
    case 'status':
      return { ...refusal(fault.status, fault.body, fault.headers), headersMs: plan.headersMs };
    case 'delay':
      return { ...plan, headersMs: plan.headersMs + fault.ms };
    case 'first-token':
      return { ...plan, pacing: { ...plan.pacing, ttftMs: plan.pacing.ttftMs + fault.ms } };
    case 'stall':
      return { ...plan, pieces: shortened(plan, fault.after), ending: 'hang' };
    case 'cut':
      return withLength({ ...plan, pieces: shortened(plan, fault.after) });
    case 'close':
    case 'reset':
      return { ...plan, pieces: shortened(plan, fault.after), ending: fault.kind };
    case 'error':
      return withError(plan, fault.afterEvents);
    case 'garbage':
      return garbage(plan, fault.what);
    case 'empty':
      return withLength({ ...plan, pieces: [], usage: NO_USAGE });
    case 'no-done':
      return withLength({ ...plan, pieces: plan.pieces.filter(({ bytes }) => !isDone(bytes)) });
    case 'silent':
      return { ...plan, head: null, pieces: [], ending: 'hang', usage: NO_USAGE };
  }
}

/** What this status looks like at OpenAI; 429 and 503 say to come back in a second unless `headers` are given. */
function refusal(status: number, body: object | string | undefined, headers?: readonly string[]): Plan {
  const plan = jsonPlan(status, body ?? usualBody(status), headers ?? usualHeaders(status));
  return typeof body === 'string'
    ? withLength({ ...plan, pieces: body === '' ? [] : [piece(Buffer.from(body))] })
    : plan;
}

function usualBody(status: number): object {
  if (status === 429) {
    return errorBody('The simulated rate limit is used up on demand.', 'rate_limit_error', 'rate_limit_exceeded');
  }
  if (status === 401) return errorBody('Incorrect API key provided.', 'invalid_request_error', 'invalid_api_key');
  if (status < 500) return errorBody('The simulated model server refuses on demand.', 'invalid_request_error');
  return SERVER_ERROR;
}

function usualHeaders(status: number): readonly string[] {
  return status === 429 || status === 503 ? ['retry-after', '1'] : [];
}

function withError(plan: Plan, afterEvents: number): Plan {
  const text = JSON.stringify(SERVER_ERROR);
  if (!plan.streamed) return withLength({ ...plan, pieces: [piece(Buffer.from(text), 0, 0)], usage: NO_USAGE });
  return { ...plan, pieces: [...plan.pieces.slice(0, afterEvents), piece(Buffer.from(`data: ${text}\n\n`))] };
}

function garbage(plan: Plan, what: 'http' | 'json' | 'sse'): Plan {
  if (what === 'http') return { ...plan, head: null, pieces: [piece(NOT_HTTP)], ending: 'close', usage: NO_USAGE };
  if (what === 'json') return withLength({ ...plan, pieces: [piece(NOT_JSON)], usage: NO_USAGE });
  if (!plan.streamed) return withLength({ ...plan, pieces: half(plan) });
  const [first, ...rest] = plan.pieces;
  return { ...plan, pieces: [...(first === undefined ? [] : [first]), piece(HALF_AN_EVENT), ...rest] };
}

/** The pieces up to `point`, which is short of the whole body. */
function shortened(plan: Plan, point: Point): Piece[] {
  if ('events' in point) return point.events < plan.pieces.length ? plan.pieces.slice(0, point.events) : half(plan);
  return point.bytes < bodyOf(plan).length ? firstBytes(plan.pieces, point.bytes) : half(plan);
}

function half(plan: Plan): Piece[] {
  return firstBytes(plan.pieces, Math.floor(bodyOf(plan).length / 2));
}

/** A piece that is cut through keeps its beat, and completes no token and no usage. */
function firstBytes(pieces: readonly Piece[], bytes: number): Piece[] {
  const kept: Piece[] = [];
  let left = bytes;
  for (const each of pieces) {
    if (left === 0) break;
    kept.push(each.bytes.length <= left ? each : piece(each.bytes.subarray(0, left), 0, each.beat));
    left -= Math.min(left, each.bytes.length);
  }
  return kept;
}

/** The plan with a head that states the length of the body as it now is, where it stated one. */
function withLength(plan: Plan): Plan {
  if (plan.head === null || plan.head.length === null) return plan;
  return { ...plan, head: { ...plan.head, length: bodyOf(plan).length } };
}

const isDone = (bytes: Buffer): boolean => bytes.toString('latin1').trim() === 'data: [DONE]';
