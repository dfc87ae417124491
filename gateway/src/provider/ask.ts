/** What a request asks of the simulated model: the few fields that it looks at, read and checked. */

export type GeneratedOperation = 'chat' | 'completion' | 'embedding';

export interface Ask {
  readonly operation: GeneratedOperation;
  readonly model: string;
  readonly streamed: boolean;
  readonly includeUsage: boolean;
  /** The smallest cap on the completion tokens; Infinity when there is none. */
  readonly maxTokens: number;
  readonly promptTokens: number;
  /** For embeddings. */
  readonly inputs: readonly string[];
  /** For embeddings: numbers in a vector. */
  readonly dimensions: number;
  readonly base64: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** How many characters of text count as one prompt token. */
const CHARACTERS_PER_TOKEN = 4;
const DIMENSIONS = 8;
const DIMENSIONS_MAX = 4096;
const CAPS = ['max_tokens', 'max_completion_tokens'] as const;

/** The request as an {@link Ask}, or, as text, what is wrong with it. */
export function readAsk(operation: GeneratedOperation, body: unknown): Ask | string {
  if (!isObject(body)) return 'The request body is not a JSON object.';
  const { model, n = 1, dimensions = DIMENSIONS } = body;
  if (typeof model !== 'string' || model === '') return 'You must provide a model parameter.';
  if (n !== 1 && n !== null) return 'The simulated model makes one choice: n must be 1.';
  if (!isCount(dimensions) || dimensions > DIMENSIONS_MAX) return `dimensions must be 1 to ${DIMENSIONS_MAX}.`;
  let maxTokens = Number.POSITIVE_INFINITY;
  for (const field of CAPS) {
    const cap = body[field] ?? Number.POSITIVE_INFINITY;
    if (cap !== Number.POSITIVE_INFINITY && !isCount(cap)) return `${field} must be a positive integer.`;
    maxTokens = Math.min(maxTokens, cap as number);
  }
  const options = body['stream_options'];
  return {
    operation,
    model,
    streamed: body['stream'] === true,
    includeUsage: isObject(options) && options['include_usage'] === true,
    maxTokens,
    promptTokens: promptTokens(operation, body),
    inputs: operation === 'embedding' ? inputsOf(body['input']) : [],
    dimensions,
    base64: body['encoding_format'] === 'base64',
  };
}

/**
 * A quarter of the characters (UTF-16 units) of all text in `messages`, `prompt` or `input`, rounded up, plus one for each
 * token id given as a number; at least 1. Not what a real tokenizer would count: simple enough to compute in one's head.
 */
function promptTokens(operation: GeneratedOperation, body: Json): number {
  const source = { chat: body['messages'], completion: body['prompt'], embedding: body['input'] }[operation];
  const { characters, ids } = sizeOf(source);
  return Math.max(1, Math.ceil(characters / CHARACTERS_PER_TOKEN) + ids);
}

function sizeOf(source: unknown): { characters: number; ids: number } {
  const size = { characters: 0, ids: 0 };
  // A list of what is left, since a body may be nested deeper than the stack is.
  const left: unknown[] = [source];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === 'string') size.characters += value.length;
    else if (typeof value === 'number') size.ids++;
    else if (Array.isArray(value)) for (const each of value) left.push(each);
    else if (isObject(value)) left.push(value['content'], value['text']);
  }
  return size;
}

/** One text for each vector that is due: token ids become their list as text. */
function inputsOf(input: unknown): string[] {
  if (!Array.isArray(input) || input.every((each) => typeof each === 'number')) return [String(input)];
  return input.map((each) => (typeof each === 'object' ? '' : String(each)));
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
