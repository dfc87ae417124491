/** The models a key may call, as the caller's client lists them (https://platform.openai.com/docs/api-reference/models). */
import type { Caller } from '../call.ts';
import type { Snapshot } from '../config/snapshot.ts';
import { modelIn } from '../endpoints.ts';
import { modelFor } from './read.ts';

/**
 * The list, or the one model that `path` names.
 * @throws Refused `model_not_found` or `model_not_allowed`, exactly as a call to that model would be (R71).
 */
export function listModels(path: string, caller: Caller, config: Snapshot): Buffer {
  const name = modelIn(path);
  if (name !== null) return Buffer.from(JSON.stringify(entry(modelFor(name, caller, config.models).name)));
  const data = [...config.models.keys()].filter((name) => caller.models.has(name)).map(entry);
  return Buffer.from(JSON.stringify({ object: 'list', data }));
}

function entry(id: string): object {
  return { id, object: 'model', created: 0, owned_by: 'headgate' };
}
