/**
 * The endpoint table: the only way in. One row per method and path says which protocol reads it, what admits it and what is
 * metered; a test proves that no row escapes identity, limits or budgets.
 */
import type { Operation } from './call.ts';
import { Refused } from './errors.ts';
import type { Dialect } from './protocols/dialect.ts';
import { openai } from './protocols/openai/wire.ts';

export interface Endpoint {
  readonly method: 'GET' | 'POST';
  /** The exact path; one that ends in `/` takes one more segment, the id of a model. */
  readonly path: string;
  readonly operation: Operation;
  readonly protocol: Dialect;
  readonly body: 'json' | 'none';
  /** `limits`: every limit of the caller. `nothing`: answered here, from the configuration, at no provider's cost. */
  readonly admits: 'limits' | 'nothing';
  readonly meters: 'tokens' | 'nothing';
}

const row = (
  method: Endpoint['method'],
  path: string,
  operation: Operation,
  protocol: Dialect,
  body: Endpoint['body'],
  admits: Endpoint['admits'],
  meters: Endpoint['meters'],
): Endpoint => ({ method, path, operation, protocol, body, admits, meters });

// biome-ignore format: a table
export const ENDPOINTS: readonly Endpoint[] = [
  //  method  path                    operation     protocol  body    admits     meters
  row('POST', '/v1/chat/completions', 'chat',       openai,   'json', 'limits',  'tokens'),
  row('POST', '/v1/completions',      'completion', openai,   'json', 'limits',  'tokens'),
  row('POST', '/v1/embeddings',       'embedding',  openai,   'json', 'limits',  'tokens'),
  row('GET',  '/v1/models',           'models',     openai,   'none', 'nothing', 'nothing'),
  row('GET',  '/v1/models/',          'model',      openai,   'none', 'nothing', 'nothing'),
];

const BY_PATH = new Map<string, Endpoint[]>();
for (const endpoint of ENDPOINTS) BY_PATH.set(endpoint.path, [...(BY_PATH.get(endpoint.path) ?? []), endpoint]);

const MODEL_PREFIX = '/v1/models/';

/** The model that a path names, decoded; null when it names none. */
export function modelIn(path: string): string | null {
  if (!path.startsWith(MODEL_PREFIX) || path === MODEL_PREFIX) return null;
  const segment = path.slice(MODEL_PREFIX.length);
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** @throws Refused `not_found` or `method_not_allowed`. */
export function match(method: string | undefined, path: string): Endpoint {
  const rows = BY_PATH.get(modelIn(path) === null ? path : MODEL_PREFIX);
  if (rows === undefined || path === MODEL_PREFIX) throw new Refused('not_found', { message: noSuchPath(path) });
  const endpoint = rows.find((candidate) => candidate.method === method);
  if (endpoint === undefined) {
    const methods = rows.map((candidate) => candidate.method);
    throw new Refused('method_not_allowed', {
      message: `Use ${methods.join(' or ')} for ${path}.`,
      allow: methods.join(', '),
    });
  }
  return endpoint;
}

function noSuchPath(path: string): string {
  const shown = path.length > 80 ? `${path.slice(0, 80)}...` : path;
  return `There is no endpoint ${JSON.stringify(shown)}. This gateway serves ${[...BY_PATH.keys()].filter((p) => !p.endsWith('/')).join(', ')}.`;
}
