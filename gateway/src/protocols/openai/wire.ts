/** The OpenAI dialect: where things stand on the wire, and the functions that read and write them. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Operation } from '../../call.ts';
import type { Dialect } from '../dialect.ts';
import { read } from './read.ts';
import { limitHeaders, refuse, refuseInStream } from './refuse.ts';
import { readStream } from './stream.ts';
import { readBody } from './usage.ts';
import { asksForUsage, write } from './write.ts';

const BEARER = /^bearer +(\S+)$/i;

const PATHS: Readonly<Record<Operation, string>> = {
  chat: '/chat/completions',
  completion: '/completions',
  embedding: '/embeddings',
  models: '/models',
  model: '/models',
};

/** The key behind `Authorization: Bearer`, or null. */
function credential(headers: IncomingHttpHeaders): string | null {
  return BEARER.exec(headers.authorization ?? '')?.[1] ?? null;
}

export const openai: Dialect = {
  name: 'openai',
  credential,
  read,
  write,
  asksForUsage,
  path: (operation) => PATHS[operation],
  forwardedHeaders: ['accept', 'user-agent', 'openai-beta', 'idempotency-key', 'traceparent', 'tracestate'],
  returnedHeaders: new Set([
    'content-type',
    'openai-processing-ms',
    'openai-version',
    'openai-model',
    'retry-after',
    'retry-after-ms',
    'x-should-retry',
  ]),
  readBody,
  readStream,
  limitHeaders,
  refuse,
  refuseInStream,
};
