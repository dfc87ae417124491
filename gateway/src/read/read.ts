/** read: what the caller asks for: the fields of the body, the model behind the name, and what the call may use at most. */
import { closest, distance } from 'fastest-levenshtein';
import type { Call, Caller, Model, Operation } from '../call.ts';
import { Refused } from '../errors.ts';
import { estimateInputTokens } from '../policy/estimate.ts';
import type { CallFields, Dialect } from '../protocols/dialect.ts';

/** A name further away than this is no misspelling. */
const NEAR = 4;

/** @throws Refused `invalid_json`, `invalid_field`, `model_not_found` or `model_not_allowed`. */
export function read(
  operation: Operation,
  body: Buffer,
  dialect: Dialect,
  caller: Caller,
  models: ReadonlyMap<string, Model>,
): Call {
  const fields = dialect.read(operation, body);
  const model = modelFor(fields.model, caller, models);
  return {
    ...fields,
    operation,
    model,
    inputTokens: estimateInputTokens(body),
    outputTokens: operation === 'embedding' ? 0 : outputTokens(fields, model),
  };
}

/** The model of that name, if this key may call it. Names are compared exactly. */
export function modelFor(name: string, caller: Caller, models: ReadonlyMap<string, Model>): Model {
  const model = models.get(name);
  if (model === undefined) throw unknown(name, caller);
  if (!caller.models.has(name)) {
    throw new Refused('model_not_allowed', { param: 'model', message: `This key may not call the model '${name}'.` });
  }
  return model;
}

/** The most output the call can produce, as far as anybody said. */
function outputTokens(fields: CallFields, model: Model): number {
  const asked = fields.outputTokensAsked ?? model.maxOutputTokens ?? model.expectedOutputTokens;
  return Math.min(asked, model.maxOutputTokens ?? asked) * fields.choices;
}

function unknown(name: string, caller: Caller): Refused {
  const shown = name.length > 100 ? `${name.slice(0, 100)}...` : name;
  const known = [...caller.models];
  const near = known.length === 0 || name.length > 100 ? null : closest(name, known);
  const hint = near !== null && distance(name, near) <= NEAR ? ` Did you mean '${near}'?` : '';
  return new Refused('model_not_found', { param: 'model', message: `There is no model '${shown}'.${hint}` });
}
