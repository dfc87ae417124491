/** read: what the caller asks for: the fields of the body, the model behind the name, and what the call may use at most. */
import { closest, distance } from 'fastest-levenshtein';
import type { Call, Caller, Model, Operation } from '../call.ts';
import { Refused } from '../errors.ts';
import type { EndUsers } from '../policy/end-users.ts';
import { measureBody } from '../policy/estimate.ts';
import type { Learnt } from '../policy/learnt.ts';
import { sizeOf } from '../policy/size.ts';
import type { Dialect } from '../protocols/dialect.ts';

/** A name further away than this is no misspelling. */
const NEAR = 4;

/** What is known from the calls before. */
export interface Known {
  readonly learnt: Learnt;
  readonly endUsers: EndUsers;
}

/** @throws Refused `invalid_json`, `invalid_field`, `model_not_found` or `model_not_allowed`. */
export function read(
  operation: Operation,
  body: Buffer,
  dialect: Dialect,
  caller: Caller,
  models: ReadonlyMap<string, Model>,
  nowMs: number,
  { learnt, endUsers }: Known,
): Call {
  const fields = dialect.read(operation, body);
  const { endUser } = fields;
  const model = modelFor(fields.model, caller, models);
  const measure = measureBody(body);
  return {
    ...fields,
    endUser: endUser === null ? null : endUsers.name(caller.organization, endUser, nowMs),
    operation,
    model,
    measure,
    ...sizeOf(fields, model, measure, learnt.of(model.name).milliBytesPerToken, operation !== 'embedding'),
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

function unknown(name: string, caller: Caller): Refused {
  const shown = name.length > 100 ? `${name.slice(0, 100)}...` : name;
  const known = [...caller.models];
  const near = known.length === 0 || name.length > 100 ? null : closest(name, known);
  const hint = near !== null && distance(name, near) <= NEAR ? ` Did you mean '${near}'?` : '';
  return new Refused('model_not_found', { param: 'model', message: `There is no model '${shown}'.${hint}` });
}
