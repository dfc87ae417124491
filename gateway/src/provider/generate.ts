/**
 * Answers of the simulated model: as many tokens as asked, in OpenAI's shapes.
 *
 * A benchmark must measure the gateway and not this server, so whatever is the same for many requests is made once: the
 * events of a stream are kept as bytes, chunked coding included. That is why all answers share an id and a creation time;
 * what is unique to one is its `x-request-id`.
 */
import type { Ask } from './ask.ts';
import { framed, JSON_HEADERS, jsonPlan, type Pacing, type Piece, type Plan, piece } from './plan.ts';
import { text, token } from './words.ts';

export interface Generation {
  /** Completion tokens when the request sets no lower cap; a positive integer. */
  readonly tokens: number;
  readonly pacing: Pacing;
  /** Seconds since the epoch, for `created`. */
  readonly created: number;
  /** Whether every event has to be a piece of its own, because something counts or paces them. */
  readonly perEvent: boolean;
}

type FinishReason = 'stop' | 'length';

const STREAM_HEADERS = ['content-type', 'text/event-stream; charset=utf-8', 'cache-control', 'no-cache'];
const DONE = piece(Buffer.from('data: [DONE]\n\n'));
/** Events that go out together when nothing paces them: some 16 KiB. */
const EVENTS_TOGETHER = 64;
const TEMPLATES_MAX = 64;
/** Longer streams are not kept: 1,000 events are some 200 KiB. */
const TEMPLATE_TOKENS_MAX = 1000;

const templates = new Map<string, readonly Piece[]>();

export function generate(ask: Ask, generation: Generation): Plan {
  if (ask.operation === 'embedding') return embeddings(ask);
  const tokens = Math.min(generation.tokens, ask.maxTokens);
  const reason: FinishReason = tokens < generation.tokens ? 'length' : 'stop';
  const usage = { promptTokens: ask.promptTokens, completionTokens: tokens };
  if (ask.streamed) {
    const events = streamEvents(ask, generation, tokens, reason);
    const last = ask.includeUsage ? [usageEvent(ask, generation, tokens), DONE] : [DONE];
    return {
      headersMs: 0,
      head: { status: 200, headers: STREAM_HEADERS, length: null },
      pacing: generation.pacing,
      pieces: [...events, ...last],
      streamed: true,
      separate: false,
      ending: 'complete',
      usage,
    };
  }
  const bytes = Buffer.from(wholeAnswer(ask, generation, tokens, reason));
  return {
    headersMs: 0,
    head: { status: 200, headers: JSON_HEADERS, length: bytes.length },
    pacing: generation.pacing,
    pieces: [piece(bytes, tokens, tokens, true)],
    streamed: false,
    separate: false,
    ending: 'complete',
    usage,
  };
}

/** Everything up to the finish reason. */
function streamEvents(ask: Ask, generation: Generation, tokens: number, reason: FinishReason): readonly Piece[] {
  const { created, perEvent } = generation;
  const key = JSON.stringify([ask.operation, ask.model, ask.includeUsage, tokens, reason, created, perEvent]);
  const kept = templates.get(key);
  if (kept !== undefined) return kept;
  const made = perEvent ? events(ask, created, tokens, reason) : together(events(ask, created, tokens, reason));
  if (tokens <= TEMPLATE_TOKENS_MAX) {
    if (templates.size >= TEMPLATES_MAX) templates.clear();
    templates.set(key, made);
  }
  return made;
}

function events(ask: Ask, created: number, tokens: number, reason: FinishReason): Piece[] {
  const chat = ask.operation === 'chat';
  const choice = (content: object, finish: FinishReason | null): object => ({
    index: 0,
    ...(chat ? { delta: content } : content),
    logprobs: null,
    finish_reason: finish,
  });
  const event = (content: object, finish: FinishReason | null, counted: number, beat: number): Piece => {
    const chunk = { ...opening(ask, created, true), choices: [choice(content, finish)] };
    const bytes = sse(ask.includeUsage ? { ...chunk, usage: null } : chunk);
    return { ...piece(bytes, counted, beat), framed: framed(bytes) };
  };
  const all = chat ? [event({ role: 'assistant', content: '', refusal: null }, null, 0, 0)] : [];
  for (let at = 0; at < tokens; at++) {
    all.push(event(chat ? { content: token(at) } : { text: token(at) }, null, 1, at + 1));
  }
  all.push(event(chat ? {} : { text: '' }, reason, 0, tokens));
  return all;
}

/** The role alone, since it does not wait for a token; then many events a piece, each still its own HTTP chunk. */
function together(all: Piece[]): Piece[] {
  const joined: Piece[] = all[0]!.beat === 0 ? all.splice(0, 1) : [];
  for (let from = 0; from < all.length; from += EVENTS_TOGETHER) {
    const some = all.slice(from, from + EVENTS_TOGETHER);
    joined.push({
      bytes: Buffer.concat(some.map(({ bytes }) => bytes)),
      framed: Buffer.concat(some.map((each) => each.framed!)),
      tokens: some.reduce((sum, { tokens }) => sum + tokens, 0),
      beat: 1,
      reportsUsage: false,
    });
  }
  return joined;
}

function usageEvent(ask: Ask, { created }: Generation, tokens: number): Piece {
  return piece(sse({ ...opening(ask, created, true), choices: [], usage: usageOf(ask, tokens) }), 0, 0, true);
}

function wholeAnswer(ask: Ask, { created }: Generation, tokens: number, reason: FinishReason): string {
  const content = text(tokens);
  const said =
    ask.operation === 'chat'
      ? { message: { role: 'assistant', content, refusal: null, annotations: [] } }
      : { text: content };
  const choices = [{ index: 0, ...said, logprobs: null, finish_reason: reason }];
  return JSON.stringify({ ...opening(ask, created, false), choices, usage: usageOf(ask, tokens) });
}

function opening(ask: Ask, created: number, chunk: boolean): object {
  const { model } = ask;
  if (ask.operation === 'completion') return { id: 'cmpl-simulated', object: 'text_completion', created, model };
  return { id: 'chatcmpl-simulated', object: chunk ? 'chat.completion.chunk' : 'chat.completion', created, model };
}

function usageOf(ask: Ask, tokens: number): object {
  return {
    prompt_tokens: ask.promptTokens,
    completion_tokens: tokens,
    total_tokens: ask.promptTokens + tokens,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

const sse = (value: object): Buffer => Buffer.from(`data: ${JSON.stringify(value)}\n\n`);

/** Vectors that depend on the text alone, so that equal texts have equal vectors. */
function embeddings(ask: Ask): Plan {
  const { model, promptTokens, dimensions, base64 } = ask;
  const data = ask.inputs.map((input, index) => {
    const numbers = vector(input, dimensions);
    const embedding = base64 ? Buffer.from(numbers.buffer).toString('base64') : [...numbers];
    return { object: 'embedding', index, embedding };
  });
  const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens };
  const plan = jsonPlan(200, { object: 'list', data, model, usage });
  return {
    ...plan,
    pieces: plan.pieces.map((whole) => ({ ...whole, reportsUsage: true })),
    usage: { promptTokens, completionTokens: 0 },
  };
}

/** Numbers in [-1, 1), from the 32-bit FNV-1a hash of the text, stirred once more for each of them. */
function vector(input: string, dimensions: number): Float32Array {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(input)) hash = Math.imul(hash ^ byte, 0x01000193);
  return Float32Array.from({ length: dimensions }, () => {
    hash = Math.imul(hash ^ (hash >>> 15), 0x01000193) + 0x9e3779b9;
    return (hash | 0) / 2 ** 31;
  });
}
