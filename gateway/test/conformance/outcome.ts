/** What a user of the official SDK sees of one call, as plain values that can be compared. */
import OpenAI, { type APIError } from 'openai';
import type { RecordedBody, RecordedOperation } from './recorded.ts';

/** An error without what belongs to one connection: its headers, its request id and its stack. */
export interface SeenError {
  readonly class: string;
  readonly status: number | undefined;
  readonly code: unknown;
  readonly param: unknown;
  readonly type: unknown;
  readonly message: string;
  /** The body's error object as the SDK hands it on. */
  readonly body: unknown;
}

export interface Outcome {
  /** Of a stream; what came before an error as well. */
  readonly chunks: readonly unknown[];
  /** Of an answer that is no stream. */
  readonly value: unknown;
  readonly error: SeenError | null;
}

/** A client that tries once: what is compared is one answer, not the SDK's patience. */
export function clientOf(baseURL: string, apiKey: string): OpenAI {
  return new OpenAI({ baseURL, apiKey, maxRetries: 0 });
}

/** Calls and, of a stream, reads to its end. */
export async function outcomeOf(client: OpenAI, operation: RecordedOperation, body: RecordedBody): Promise<Outcome> {
  const chunks: unknown[] = [];
  let value: unknown = null;
  try {
    const answer = await create(client, operation, body);
    if (!isStream(answer)) value = answer;
    else for await (const chunk of answer) chunks.push(chunk);
    return { chunks, value, error: null };
  } catch (error) {
    return { chunks, value, error: seen(error) };
  }
}

type StreamBody = Parameters<OpenAI['chat']['completions']['stream']>[0];

/** The completion that the SDK puts together from a chat stream. */
export async function finalOf(client: OpenAI, body: RecordedBody): Promise<Outcome> {
  try {
    const stream = client.chat.completions.stream(body as unknown as StreamBody);
    return { chunks: [], value: await stream.finalChatCompletion(), error: null };
  } catch (error) {
    return { chunks: [], value: null, error: seen(error) };
  }
}

function create(client: OpenAI, operation: RecordedOperation, body: RecordedBody): Promise<unknown> {
  // Recorded bodies hold fields of other providers, which the SDK sends as they are.
  if (operation === 'chat') return client.chat.completions.create(body as unknown as OpenAI.ChatCompletionCreateParams);
  if (operation === 'completions') return client.completions.create(body as unknown as OpenAI.CompletionCreateParams);
  return client.embeddings.create(body as unknown as OpenAI.EmbeddingCreateParams);
}

function isStream(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer;
}

function seen(thrown: unknown): SeenError {
  const error = thrown as Partial<APIError> & Error;
  return {
    class: error.constructor.name,
    status: error.status,
    code: error.code,
    param: error.param,
    type: error.type,
    message: error.message,
    body: error.error,
  };
}
