/**
 * Watches an OpenAI stream as it passes: when content starts, what usage is reported, whether it is complete.
 *
 * Before the first content every event is parsed, since the answer can still come from another target. After it
 * an event is looked at, not parsed: only one that carries a usage object or an error, or is no plain `data: {...}`, is decoded.
 * A quote inside generated text is escaped on the wire, so none of these markers can be forged by content.
 *
 * Invariants
 *  (1) The bytes answered by `take` are the bytes taken, less whole events that only Headgate asked for.
 *  (2) `started`, `complete` and `error` never go back.
 */
import type { Operation } from '../../call.ts';
import type { Usage } from '../../policy/usage.ts';
import type { StreamReading } from '../dialect.ts';
import { Seeker } from '../seeker.ts';
import { usageOf } from './usage.ts';

const NOTHING = Buffer.alloc(0);
const BOM = 0xfeff;
/** Bytes per token of generated text, for providers that put several tokens into one event and report no usage. */
const BYTES_PER_TOKEN = 4;

interface WireChoice {
  text?: unknown;
  finish_reason?: unknown;
  delta?: Record<string, unknown> | null;
  usage?: unknown;
}

interface WireChunk {
  choices?: readonly (WireChoice | null)[];
  usage?: unknown;
  error?: unknown;
  x_groq?: { usage?: unknown };
}

export function readStream(_operation: Operation, hideUsage: boolean): StreamReading {
  return new OpenAiStream(hideUsage);
}

/**
 * What an event that has to be decoded holds. Each begins with a character that is rare in events: a search stops wherever the first
 * character stands.
 */
const USAGE_MARK = '_tokens":';
const ERROR_MARK = 'error":';
const FINISH_MARK = '_reason":';
const SPACE = 0x20;
const QUOTE = 0x22;

class OpenAiStream implements StreamReading {
  started = false;
  complete = false;
  error: string | null = null;
  usage: Usage | null = null;
  readonly #hideUsage: boolean;
  #events = 0;
  #bytes = 0;
  /** The bytes of an event that are not content, measured on the first one that carries some. */
  #frameBytes = 0;

  constructor(hideUsage: boolean) {
    this.#hideUsage = hideUsage;
  }

  get deliveredTokens(): number {
    const content = Math.max(0, this.#bytes - this.#events * this.#frameBytes);
    return Math.max(this.#events, Math.ceil(content / BYTES_PER_TOKEN));
  }

  take(block: Buffer): Buffer {
    const text = block.toString('latin1');
    const bare = new Seeker(text, '\n\n');
    const carriage = text.indexOf('\r') < 0 ? null : new Seeker(text, '\n\r\n');
    const usage = new Seeker(text, USAGE_MARK);
    const error = new Seeker(text, ERROR_MARK);
    const kept: Buffer[] = [];
    let from = 0;
    for (let start = 0; start < text.length; ) {
      const end = Math.min(
        bare.next(start) + 2,
        carriage === null ? text.length : carriage.next(start) + 3,
        text.length,
      );
      const marked = usage.next(start) < end || error.next(start) < end;
      if (this.started && !marked && isPlain(text, start)) {
        this.#events++;
        this.#bytes += end - start;
      } else if (this.#decode(block.toString('utf8', start, end))) {
        if (start > from) kept.push(block.subarray(from, start));
        from = end;
      }
      // The provider's error is the last thing a caller hears of this stream: a `[DONE]` behind it would call it complete.
      if (this.error !== null) return rejoin(block.subarray(0, end), kept, from);
      start = end;
    }
    if (!this.complete) this.complete = finishes(text);
    return rejoin(block, kept, from);
  }

  /** Decodes one event; answers whether it is to be left out. */
  #decode(event: string): boolean {
    const { name, data } = fieldsOf(event);
    if (data === null) return false;
    if (data === '[DONE]') {
      this.complete = true;
      return false;
    }
    let chunk: WireChunk;
    try {
      chunk = JSON.parse(data) as WireChunk;
    } catch {
      // One malformed event is the provider's affair; the rest of the stream may be sound.
      return false;
    }
    if (typeof chunk !== 'object' || chunk === null) return false;
    if (name === 'error') this.error ??= errorText(chunk.error ?? chunk);
    else if (chunk.error) this.error ??= errorText(chunk.error);
    const choices = Array.isArray(chunk.choices) ? chunk.choices : [];
    this.usage = usageOf(chunk.usage) ?? usageOf(choices[0]?.usage) ?? usageOf(chunk.x_groq?.usage) ?? this.usage;
    for (const choice of choices) this.#takeChoice(choice, event.length);
    return this.#hideUsage && this.error === null && choices.length === 0 && usageOf(chunk.usage) !== null;
  }

  #takeChoice(choice: WireChoice | null, eventBytes: number): void {
    if (choice === null) return;
    const content = contentOf(choice);
    if (content !== null) {
      if (!this.started) this.#frameBytes = Math.max(0, eventBytes - content.length);
      this.started = true;
      this.#events++;
      this.#bytes += eventBytes;
    }
    if (typeof choice.finish_reason === 'string') {
      this.started = true;
      this.complete = true;
    }
  }
}

/** Whether an event is a chunk on one line, as all but a few are. */
function isPlain(text: string, start: number): boolean {
  return text.startsWith('data: {', start) || text.startsWith('data:{', start);
}

function finishes(text: string): boolean {
  for (let at = text.indexOf(FINISH_MARK); at >= 0; at = text.indexOf(FINISH_MARK, at)) {
    at += FINISH_MARK.length;
    while (text.charCodeAt(at) === SPACE) at++;
    if (text.charCodeAt(at) === QUOTE) return true;
  }
  return false;
}

/** The block without what was left out: `kept` pieces, and everything from `from` on. */
function rejoin(block: Buffer, kept: Buffer[], from: number): Buffer {
  if (from === 0) return block;
  if (from < block.length) kept.push(block.subarray(from));
  return kept.length === 0 ? NOTHING : kept.length === 1 ? kept[0]! : Buffer.concat(kept);
}

/** An event's name and its data with the lines joined, each null when it has none (a comment has neither). */
function fieldsOf(event: string): { name: string | null; data: string | null } {
  let name: string | null = null;
  let data: string | null = null;
  for (const line of (event.charCodeAt(0) === BOM ? event.slice(1) : event).split('\n')) {
    if (line.startsWith('event:')) name = line.slice(6).trim();
    if (!line.startsWith('data:')) continue;
    const value = line.slice(line.charCodeAt(5) === 0x20 ? 6 : 5).trimEnd();
    data = data === null ? value : `${data}\n${value}`;
  }
  return { name, data };
}

/** What a choice adds to the answer as text, or null when it adds nothing: a role alone, an empty string. */
function contentOf(choice: WireChoice): string | null {
  if (typeof choice.text === 'string' && choice.text !== '') return choice.text;
  const delta = choice.delta;
  if (typeof delta !== 'object' || delta === null) return null;
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'role' || value === null || value === undefined || value === '') continue;
    if (Array.isArray(value) && value.length === 0) continue;
    if (typeof value === 'string') return value;
    return JSON.stringify(value);
  }
  return null;
}

function errorText(error: unknown): string {
  if (typeof error === 'string') return error;
  const message = (error as { message?: unknown }).message;
  return typeof message === 'string' ? message : 'The provider reported an error.';
}
