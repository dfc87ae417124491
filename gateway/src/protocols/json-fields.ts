/**
 * Finds top-level fields of a JSON object without building the object: the values of a prompt are skipped, not decoded.
 * A gateway that passes bodies through byte for byte needs five fields of a 100 KB prompt and where they stand.
 *
 * Strict where it matters: a wanted key that appears twice, hides behind escapes or is written in other case, is never read
 * differently here than by the provider. What lies inside nested values is skipped by bracket depth and left for the provider to judge.
 */

/** Where a value stands in the text: `text.slice(start, end)`. Offsets of latin1 text are byte offsets. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type Scan =
  /** `open` is the offset just behind the opening brace, `close` the offset of the closing one. */
  | { readonly ok: true; readonly fields: ReadonlyMap<string, Span>; readonly open: number; readonly close: number }
  | { readonly ok: false; readonly reason: 'not_an_object' | 'not_json' }
  /** `field`: the wanted key that appears twice, or that another key differs from in case only. */
  | { readonly ok: false; readonly reason: 'duplicate_field' | 'miscased_field'; readonly field: string };

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
/** A key without escapes in ASCII: its bytes are its text. */
const PLAIN = /^[^\\\x80-\xff]*$/;
const NOT_JSON: Scan = { ok: false, reason: 'not_json' };

/**
 * Scans `text`, one JSON object decoded as latin1 (so that string offsets are byte offsets), for the lower-case keys in `wanted`.
 * Linear in the length of the text.
 */
export function scanFields(text: string, wanted: ReadonlySet<string>): Scan {
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== OPEN_OBJECT) return { ok: false, reason: 'not_an_object' };
  const open = ++at;
  const fields = new Map<string, Span>();
  const lengths = lengthsOf(wanted);
  at = skipSpace(text, at);
  if (text.charCodeAt(at) === CLOSE_OBJECT) return ended(text, at, open, fields);
  for (;;) {
    if (text.charCodeAt(at) !== QUOTE) return NOT_JSON;
    const keyEnd = skipString(text, at);
    if (keyEnd < 0) return NOT_JSON;
    const key = mayBeWanted(text, at + 1, keyEnd - 1, lengths) ? keyOf(text, at, keyEnd) : '';
    at = skipSpace(text, keyEnd);
    if (text.charCodeAt(at) !== COLON) return NOT_JSON;
    const start = skipSpace(text, at + 1);
    const end = skipValue(text, start);
    if (end < 0) return NOT_JSON;
    if (wanted.has(key)) {
      if (fields.has(key)) return { ok: false, reason: 'duplicate_field', field: key };
      fields.set(key, { start, end });
    } else if (key !== '') {
      const field = unfolded(key, wanted);
      if (field !== null) return { ok: false, reason: 'miscased_field', field };
    }
    at = skipSpace(text, end);
    const next = text.charCodeAt(at);
    if (next === CLOSE_OBJECT) return ended(text, at, open, fields);
    if (next !== COMMA) return NOT_JSON;
    at = skipSpace(text, at + 1);
  }
}

function ended(text: string, close: number, open: number, fields: ReadonlyMap<string, Span>): Scan {
  return skipSpace(text, close + 1) === text.length ? { ok: true, fields, open, close } : NOT_JSON;
}

/** The lengths of the wanted keys, as bits. Made once for each set: the sets are constants. */
const LENGTHS = new WeakMap<ReadonlySet<string>, number>();

function lengthsOf(wanted: ReadonlySet<string>): number {
  let bits = LENGTHS.get(wanted);
  if (bits === undefined) {
    bits = 0;
    for (const key of wanted) bits |= 1 << key.length;
    LENGTHS.set(wanted, bits);
  }
  return bits;
}

/** Whether the key in [start, end) has a wanted length, or is not plain ASCII, so that its length says nothing. */
function mayBeWanted(text: string, start: number, end: number, lengths: number): boolean {
  const length = end - start;
  if (length < 31 && (lengths & (1 << length)) !== 0) return true;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH || code >= 0x80) return true;
  }
  return false;
}

function keyOf(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1);
  if (PLAIN.test(raw)) return raw;
  // An escaped key must be compared as the provider will read it, or `"mod\u0065l"` would smuggle a model past the limits.
  try {
    return JSON.parse(Buffer.from(text.slice(start, end), 'latin1').toString('utf8')) as string;
  } catch {
    return raw;
  }
}

/**
 * The wanted key that this one differs from in case only, or null. Go's JSON reader, and so Ollama, takes the two for the same,
 * and the last one wins: `"Model"` behind `"model"` would reach a model that the caller may not call.
 */
function unfolded(key: string, wanted: ReadonlySet<string>): string | null {
  // Upper case first: it also folds the long s (U+017F), lower case the Kelvin sign (U+212A).
  const folded = key.toUpperCase().toLowerCase();
  return wanted.has(folded) ? folded : null;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at++;
  }
}

/** The offset behind the string whose opening quote is at `from`, or -1 when it never closes. */
function skipString(text: string, from: number): number {
  let quote = from;
  for (;;) {
    quote = text.indexOf('"', quote + 1);
    if (quote < 0) return -1;
    let slash = quote - 1;
    while (text.charCodeAt(slash) === BACKSLASH) slash--;
    if ((quote - slash) % 2 === 1) return quote + 1;
  }
}

/** The offset behind the value at `from`, or -1 when it does not end. */
function skipValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return skipString(text, from);
  if (first === OPEN_OBJECT || first === OPEN_ARRAY) return skipNested(text, from);
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === CLOSE_OBJECT || code <= 0x20 || Number.isNaN(code)) return at > from ? at : -1;
    at++;
  }
}

function skipNested(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = skipString(text, at) - 1;
      if (at < 0) return -1;
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++;
    else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      depth--;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}
