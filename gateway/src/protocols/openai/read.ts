/** Reads an OpenAI request body: a few top-level fields, and of a prompt no more than how many there are. */
import type { ByteSpan, Operation } from '../../call.ts';
import { Refused } from '../../errors.ts';
import type { CallFields } from '../dialect.ts';
import { type Scan, scanFields } from '../json-fields.ts';

const CAPS = ['max_completion_tokens', 'max_tokens'] as const;
/** Whom the call is for: `safety_identifier` took over from `user` (https://platform.openai.com/docs/api-reference/chat/create). */
const END_USERS = ['safety_identifier', 'user'] as const;
const WANTED: ReadonlySet<string> = new Set([
  'model',
  'stream',
  'stream_options',
  'n',
  'best_of',
  'prompt',
  ...CAPS,
  ...END_USERS,
]);
const OPEN_ARRAY = 0x5b;
const CHOICES_MAX = 128;

/** The name that a call states its cap on output tokens under. */
export function capName(operation: Operation): (typeof CAPS)[number] {
  return operation === 'chat' ? 'max_completion_tokens' : 'max_tokens';
}

/** @throws Refused `invalid_json` when the body is no JSON object, `invalid_field` when a field has the wrong type. */
export function read(operation: Operation, body: Buffer): CallFields {
  const text = body.toString('latin1');
  const scan = scanFields(text, WANTED);
  if (!scan.ok) throw unreadable(scan);
  const model = scan.fields.get('model');
  if (model === undefined) throw invalid('model', 'is missing: name one of the models that GET /v1/models lists');
  const generates = operation === 'chat' || operation === 'completion';
  const streamed = generates && flag(scan.fields.get('stream'), 'stream', text);
  const streamOptions = (streamed && scan.fields.get('stream_options')) || null;
  const outputCaps: ByteSpan[] = [];
  let nullCap: ByteSpan | null = null;
  let asked: number | null = null;
  let choices = 1;
  if (generates) {
    for (const name of CAPS) {
      const span = scan.fields.get(name);
      if (span === undefined) continue;
      const cap = count(span, name, text);
      if (cap === null) {
        if (name === capName(operation)) nullCap = span;
        continue;
      }
      outputCaps.push(span);
      // Conflicting caps: providers differ in which one they obey, so the larger one is what the call may cost.
      asked = Math.max(asked ?? 0, cap);
    }
    choices = choicesOf(scan.fields, text);
    if (operation === 'completion') choices *= promptsIn(body, scan.fields.get('prompt'));
  }
  return {
    body,
    model: modelName(body, model),
    endUser: endUserOf(body, scan.fields),
    streamed,
    outputTokensAsked: asked,
    choices,
    wantsUsage: streamOptions !== null && asksUsage(body, streamOptions),
    spans: { open: scan.open, model, streamOptions, outputCaps, nullCap },
  };
}

function unreadable(scan: Scan & { ok: false }): Refused {
  if (scan.reason === 'duplicate_field')
    return invalid(scan.field, 'appears twice; JSON readers differ in which one they take');
  if (scan.reason === 'miscased_field')
    return invalid(
      scan.field,
      'must be written in lower case; JSON readers differ in whether another case is the same field',
    );
  return new Refused('invalid_json');
}

function invalid(param: string, what: string): Refused {
  return new Refused('invalid_field', { param, message: `'${param}' ${what}.` });
}

function modelName(body: Buffer, span: ByteSpan): string {
  const value = parse(body, span);
  if (typeof value !== 'string' || value === '') throw invalid('model', 'must be a non-empty string');
  return value;
}

/** Empty texts and other types name nobody: the provider decides whether they are mistakes. */
function endUserOf(body: Buffer, fields: ReadonlyMap<string, ByteSpan>): string | null {
  for (const name of END_USERS) {
    const span = fields.get(name);
    const value = span === undefined ? null : parse(body, span);
    if (typeof value === 'string' && value !== '') return value;
  }
  return null;
}

function flag(span: ByteSpan | undefined, name: string, text: string): boolean {
  if (span === undefined) return false;
  const raw = text.slice(span.start, span.end);
  if (raw === 'true') return true;
  if (raw === 'false' || raw === 'null') return false;
  throw invalid(name, 'must be true or false');
}

function count(span: ByteSpan, name: string, text: string): number | null {
  const raw = text.slice(span.start, span.end);
  if (raw === 'null') return null;
  const value = Number(raw);
  if (!Number.isSafeInteger(value) || value < 0) throw invalid(name, 'must be a non-negative integer');
  return value;
}

function choicesOf(fields: ReadonlyMap<string, ByteSpan>, text: string): number {
  let most = 1;
  for (const name of ['n', 'best_of']) {
    const span = fields.get(name);
    const value = span === undefined ? null : count(span, name, text);
    if (value !== null && value > CHOICES_MAX) throw invalid(name, `must be at most ${CHOICES_MAX}`);
    most = Math.max(most, value ?? 1);
  }
  return most;
}

/** How many prompts a completion is for: a list of texts or of token lists is answered one by one; a list of tokens is one prompt. */
function promptsIn(body: Buffer, span: ByteSpan | undefined): number {
  if (span === undefined || body[span.start] !== OPEN_ARRAY) return 1;
  const prompts = parse(body, span) as unknown[];
  return typeof prompts[0] === 'number' ? 1 : Math.max(1, prompts.length);
}

function asksUsage(body: Buffer, span: ByteSpan): boolean {
  const options = parse(body, span);
  if (options === null) return false;
  if (typeof options !== 'object' || Array.isArray(options)) throw invalid('stream_options', 'must be an object');
  return (options as { include_usage?: unknown }).include_usage === true;
}

function parse(body: Buffer, span: ByteSpan): unknown {
  try {
    return JSON.parse(body.toString('utf8', span.start, span.end));
  } catch {
    throw new Refused('invalid_json');
  }
}
