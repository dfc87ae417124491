/** The client: the official openai SDK, and what it was told. */
import OpenAI, { RateLimitError } from 'openai';

const MODEL = 'simulated-llm';

/** One request of a burst. Instants are milliseconds since the epoch. */
export interface Asked {
  readonly number: number;
  readonly sentAt: number;
  readonly answeredAt: number;
  /** Null when it was answered. */
  readonly refusal: Refusal | null;
}

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** The id of the limit that refused. */
  readonly limit: string;
  /** The headers of that name: seconds and milliseconds. */
  readonly retryAfter: number;
  readonly retryAfterMs: number;
  /** The moment the body announces. */
  readonly resetsAt: number;
}

/** Sends `count` requests at once, none of them again. */
export function burst(baseURL: string, apiKey: string, count: number): Promise<Asked[]> {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  return Promise.all(Array.from({ length: count }, (_, index) => ask(client, index + 1)));
}

async function ask(client: OpenAI, number: number): Promise<Asked> {
  const sentAt = Date.now();
  try {
    await client.chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: `Hello ${number}` }] });
    return { number, sentAt, answeredAt: Date.now(), refusal: null };
  } catch (error) {
    if (!(error instanceof RateLimitError)) throw error;
    return { number, sentAt, answeredAt: Date.now(), refusal: refusalOf(error) };
  }
}

function refusalOf({ status, code, headers, error }: RateLimitError): Refusal {
  const { message, headgate } = error as { message: string; headgate: { limit: string; resetsAt: string } };
  return {
    status,
    code: code ?? '',
    message,
    limit: headgate.limit,
    retryAfter: Number(headers.get('retry-after')),
    retryAfterMs: Number(headers.get('retry-after-ms')),
    resetsAt: Date.parse(headgate.resetsAt),
  };
}

export interface Patience {
  /** How long after the start each request was answered, in milliseconds, in that order. */
  readonly answeredAfterMs: readonly number[];
  /** Why the others were not. */
  readonly failures: readonly string[];
  /** 429 answers on the way. */
  readonly refusals: number;
}

/** Sends `count` requests at once through the SDK's own exponential back-off, which obeys retry-after. */
export async function patiently(baseURL: string, apiKey: string, count: number): Promise<Patience> {
  let refusals = 0;
  const counting: typeof fetch = async (...args) => {
    const answer = await fetch(...args);
    if (answer.status === 429) refusals++;
    return answer;
  };
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 10, fetch: counting });
  const start = Date.now();
  const answeredAfterMs: number[] = [];
  const failures: string[] = [];
  const all = Array.from({ length: count }, (_, index) =>
    ask(client, index + 1).then(({ answeredAt, refusal }) => {
      if (refusal === null) answeredAfterMs.push(answeredAt - start);
      else failures.push(refusal.message);
    }),
  );
  await Promise.all(all);
  return { answeredAfterMs, failures, refusals };
}
