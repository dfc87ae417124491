/** A small valid call for each row of the endpoint table. A new operation does not compile without its sample. */
import type { Operation } from '../../src/call.ts';
import type { Endpoint } from '../../src/endpoints.ts';

export interface SampleCall {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
}

const BODIES: Readonly<Record<Operation, object | null>> = {
  chat: { max_tokens: 3, messages: [{ role: 'user', content: 'hello' }] },
  completion: { max_tokens: 3, prompt: 'hello' },
  embedding: { input: 'hello' },
  models: null,
  model: null,
};

/** The call of `endpoint` that names `model`; `more` are further members of its body. */
export function sampleCall(endpoint: Endpoint, model = 'm', more: object = {}): SampleCall {
  const { method, path, operation } = endpoint;
  const named = path.endsWith('/') ? path + encodeURIComponent(model) : path;
  const body = BODIES[operation];
  return body === null ? { method, path: named } : { method, path: named, body: { model, ...body, ...more } };
}
