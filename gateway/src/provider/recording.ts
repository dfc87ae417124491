/** Recorded provider answers: what the wire carried, ready to be served again. The layout is in test/recordings/README.md. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cut } from './cut.ts';
import { NO_PACING, NO_USAGE, type Pacing, type Plan, piece } from './plan.ts';

export interface Recording {
  /** The path below the folder of recordings, without the extension: `openai/chat-gpt-4.1`. */
  readonly name: string;
  /** `/v1/chat/completions`; null when the request was not kept. */
  readonly path: string | null;
  /** The request body as the recorder kept it: an object, or text that is no JSON; null when it was not kept. */
  readonly requestBody: unknown;
  readonly status: number;
  /** Flat name/value list in recorded order, without what belongs to the recorded connection. */
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** Whether the body is a stream of server-sent events. */
  readonly streamed: boolean;
  /** The last usage object in the body, verbatim; null when there is none. */
  readonly usage: Readonly<Record<string, unknown>> | null;
}

interface Meta {
  readonly request: { readonly url: string; readonly body?: unknown } | null;
  readonly response: { readonly status: number; readonly headers: readonly (readonly [string, string])[] };
  readonly lastUsage: Readonly<Record<string, unknown>> | null;
}

const EXTENSIONS = ['.json', '.sse', '.chunks.jsonl'] as const;
const META = '.meta.json';
const OF_THE_CONNECTION = new Set(['content-length', 'content-encoding', 'transfer-encoding', 'connection']);

/** Every recording below `folder`, by name, in the order of the names. Throws when a file cannot be read. */
export function listRecordings(folder: string): Recording[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(META))
    .map((file) => file.slice(0, -META.length).replaceAll('\\', '/'))
    .sort()
    .map((name) => loadRecording(folder, name));
}

/** Throws when there is no such recording. */
export function loadRecording(folder: string, name: string): Recording {
  const extension = EXTENSIONS.find((each) => existsSync(join(folder, name + each)));
  if (extension === undefined) throw new Error(`there is no recording ${name} in ${folder}`);
  const meta = JSON.parse(readFileSync(join(folder, name + META), 'utf8')) as Meta;
  const stored = readFileSync(join(folder, name + extension));
  const streamed = extension !== '.json';
  const headers = meta.response.headers.filter(([header]) => !OF_THE_CONNECTION.has(header.toLowerCase())).flat();
  // Recorders that work inside an SDK keep no headers; nobody can read a body whose type is not said.
  if (!headers.some((header, at) => at % 2 === 0 && header.toLowerCase() === 'content-type')) {
    headers.push('content-type', streamed ? 'text/event-stream' : 'application/json');
  }
  return {
    name,
    path: meta.request === null ? null : new URL(meta.request.url).pathname,
    requestBody: meta.request?.body ?? null,
    status: meta.response.status,
    headers,
    body: extension === '.chunks.jsonl' ? asEvents(stored) : stored,
    streamed,
    usage: meta.lastUsage,
  };
}

function asEvents(lines: Buffer): Buffer {
  const payloads = lines.toString('utf8').split('\n').filter(Boolean);
  return Buffer.from([...payloads, '[DONE]'].map((payload) => `data: ${payload}\n\n`).join(''));
}

/**
 * The recording as a plan, an event a piece. A recording does not say which bytes hold which token, so its completion
 * tokens are spread evenly over the pieces; a beat is an event.
 */
export function replay(recording: Recording, pacing: Pacing = NO_PACING): Plan {
  const { status, headers, body, streamed } = recording;
  const parts = cut(body, streamed ? 'event' : 'whole', { next: () => 0 });
  const usage = plannedUsage(recording);
  const share = (upTo: number): number => Math.floor((usage.completionTokens * upTo) / parts.length);
  return {
    headersMs: 0,
    head: { status, headers, length: streamed ? null : body.length },
    pacing,
    pieces: parts.map((bytes, at) =>
      piece(bytes, share(at + 1) - share(at), at + 1, recording.usage !== null && at === parts.length - 1),
    ),
    streamed,
    separate: true,
    ending: 'complete',
    usage,
  };
}

function plannedUsage({ usage }: Recording): Plan['usage'] {
  if (usage === null) return NO_USAGE;
  const count = (field: string): number => (typeof usage[field] === 'number' ? usage[field] : 0);
  return { promptTokens: count('prompt_tokens'), completionTokens: count('completion_tokens') };
}
