/**
 * What travels in the benchmarks: request bodies and the exact bytes of their answers. The upstream sends them, the
 * load generator demands them, so both are built here and depend on nothing but the model name.
 *
 * Model names say what the upstream does: `json` answers at once, `sse-<events>-<paceMs>` streams that many events
 * with that much time between two of them (0: as fast as they are taken).
 */
import { seeded } from './statistics.ts';

/** The model that answers at once. */
export const JSON_MODEL = 'json';

export interface Shape {
  readonly model: string;
  /** Bytes of prompt text, roughly. */
  readonly promptBytes: number;
  readonly stream: { readonly events: number; readonly paceMs: number } | null;
}

const WORDS =
  'the of model a gateway token stream budget request and limit answer server time region price queue naïve to in key is "quoted" that it été for as with route 日本 cost latency'.split(
    ' ',
  );

/** About `bytes` bytes of words, the same for the same seed. */
function prose(bytes: number, seed: number): string {
  const random = seeded(seed);
  let text = '';
  while (text.length < bytes) {
    text += WORDS[Math.floor(random() * WORDS.length)];
    text += random() < 0.08 ? '.\n' : ' ';
  }
  return text;
}

/** A turn of a conversation is at most this long; longer prompts are conversations of many turns. */
const TURN_BYTES = 5_000;

/** The chat completion request of a shape, as an SDK would write it. Streams do not ask for usage. */
export function requestBody(shape: Shape): Buffer {
  const messages = [{ role: 'system', content: 'You are a helpful assistant. Answer briefly.' }];
  const turns = Math.ceil(shape.promptBytes / TURN_BYTES);
  for (let turn = 0; turn < turns; turn++) {
    messages.push({ role: turn % 2 === 0 ? 'user' : 'assistant', content: prose(shape.promptBytes / turns, turn) });
  }
  const body = { model: shape.model, messages, temperature: 0.7, max_tokens: 512 };
  return Buffer.from(JSON.stringify(shape.stream === null ? body : { ...body, stream: true }));
}

const USAGE = { prompt_tokens: 243, completion_tokens: 299, total_tokens: 542 };

/** A non-streamed answer of about 1 KB. */
export const JSON_ANSWER = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-CAz7bQ3nYwHkT5uVJm2rX9eLs0dF4',
    object: 'chat.completion',
    created: 1_790_000_000,
    model: 'bench-2026-11-01',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: prose(640, 99), refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: USAGE,
    system_fingerprint: 'fp_3f58d112f7',
  }),
);

function chunk(choices: readonly object[], more: object = {}): Buffer {
  const event = {
    id: 'chatcmpl-CAz7bQ3nYwHkT5uVJm2rX9eLs0dF4',
    object: 'chat.completion.chunk',
    created: 1_790_000_000,
    model: 'bench-2026-11-01',
    choices,
    ...more,
  };
  return Buffer.from(`data: ${JSON.stringify(event)}\n\n`);
}

const choice = (delta: object, finish: string | null): object[] => [
  { index: 0, delta, logprobs: null, finish_reason: finish },
];

/**
 * The events of a stream, each as its bytes: `events` chunks of about 200 bytes of which the last carries the finish
 * reason, then a chunk with the usage when it was asked for, then `[DONE]`.
 */
export function streamEvents(events: number, includeUsage: boolean): Buffer[] {
  const random = seeded(7);
  const all = [chunk(choice({ role: 'assistant', content: '' }, null))];
  while (all.length < events - 1) {
    all.push(chunk(choice({ content: ` ${WORDS[Math.floor(random() * WORDS.length)]}` }, null)));
  }
  all.push(chunk(choice({}, 'stop')));
  if (includeUsage) all.push(chunk([], { usage: USAGE }));
  all.push(Buffer.from('data: [DONE]\n\n'));
  return all;
}

/** The body that a caller of this shape must receive, to the byte. */
export function expectedBody(shape: Shape): Buffer {
  return shape.stream === null ? JSON_ANSWER : Buffer.concat(streamEvents(shape.stream.events, false));
}
