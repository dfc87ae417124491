/** From a request to the plan of its answer: which endpoint, which recording or generation, which faults. */
import type { Random } from '../clock.ts';
import { type GeneratedOperation, readAsk } from './ask.ts';
import type { Cut } from './cut.ts';
import { applyFault, type Fault } from './faults.ts';
import { generate } from './generate.ts';
import { type Chance, type ModelWishes, NotationError, parseModel } from './notation.ts';
import { errorBody, jsonPlan, type Pacing, type Plan, recut } from './plan.ts';
import { type Recording, replay } from './recording.ts';

/** What a request is answered with; whatever is left out is as the provider was started. */
export interface Behaviour {
  /** Answers with this recording, whatever the path and the model. */
  readonly replay?: Recording;
  readonly ttftMs?: number;
  readonly paceMs?: number;
  /** Completion tokens when the request sets no lower cap; a positive integer. */
  readonly tokens?: number;
  /** Where the body is cut into writes; without it a write is an event, or as many as are due. */
  readonly cut?: Cut;
  /** In addition to those that the model's name asks for; applied in this order. */
  readonly faults?: readonly Fault[];
}

/** How every request is answered unless its {@link Behaviour} says otherwise. */
export interface Defaults {
  readonly pacing: Pacing;
  readonly tokens: number;
  readonly cut: Cut | null;
  readonly chances: readonly Chance[];
  /** By name: a request for a model of that name is answered with the recording. */
  readonly recordings: ReadonlyMap<string, Recording>;
  /** Seconds since the epoch, for `created`. */
  readonly created: number;
  readonly random: Random;
}

export interface Planned {
  readonly plan: Plan;
  /** As the request named it; null when it named none. */
  readonly model: string | null;
  readonly faults: readonly Fault[];
}

interface Asked {
  readonly method: string;
  /** With or without `/v1`; without a query. */
  readonly path: string;
  readonly body: Buffer;
}

const OPERATIONS: Readonly<Record<string, GeneratedOperation | 'models'>> = {
  '/chat/completions': 'chat',
  '/completions': 'completion',
  '/embeddings': 'embedding',
  '/models': 'models',
};

export function planAnswer(asked: Asked, behaviour: Behaviour, defaults: Defaults): Planned {
  const body = asked.body.length === 0 ? null : parseJson(asked.body);
  const model = modelOf(body);
  const wishes = wishesOf(model);
  if (wishes instanceof NotationError) return { plan: badRequest(wishes.message), model, faults: [] };
  const faults = [...drawn([...defaults.chances, ...wishes.chances], defaults.random), ...(behaviour.faults ?? [])];
  const good = goodAnswer(
    asked,
    body,
    { ...defaults.pacing, tokens: defaults.tokens, ...wishes, ...behaviour, faults },
    defaults,
  );
  const bad = faults.reduce(applyFault, good);
  const how = behaviour.cut ?? defaults.cut;
  return { plan: how === null ? bad : recut(bad, how, defaults.random), model, faults };
}

type Wanted = Pacing & { tokens: number; replay?: Recording; faults: readonly Fault[] };

function goodAnswer({ method, path }: Asked, body: unknown, wanted: Wanted, defaults: Defaults): Plan {
  const { ttftMs, paceMs, tokens, faults } = wanted;
  const pacing = { ttftMs, paceMs };
  const recording = wanted.replay ?? defaults.recordings.get(modelOf(body) ?? '');
  if (recording !== undefined) return replay(recording, pacing);
  const operation = OPERATIONS[path.replace(/^\/v1(?=\/)/, '')];
  if (operation === undefined) return notFound(path);
  if (method !== (operation === 'models' ? 'GET' : 'POST')) return wrongMethod(method);
  if (operation === 'models') return models(defaults);
  const ask = readAsk(operation, body);
  if (typeof ask === 'string') return badRequest(ask);
  return generate(ask, { tokens, pacing, created: defaults.created, perEvent: paceMs > 0 || faults.length > 0 });
}

function drawn(chances: readonly Chance[], random: Random): Fault[] {
  return chances.filter(({ rate }) => rate === 1 || random.next() < rate).map(({ fault }) => fault);
}

function wishesOf(model: string | null): ModelWishes | NotationError {
  try {
    return parseModel(model ?? '');
  } catch (error) {
    if (error instanceof NotationError) return error;
    throw error;
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}

function modelOf(body: unknown): string | null {
  const model = typeof body === 'object' && body !== null ? (body as { model?: unknown }).model : null;
  return typeof model === 'string' ? model : null;
}

function models({ recordings, created }: Defaults): Plan {
  const data = ['sim', ...recordings.keys()].map((id) => ({
    id,
    object: 'model',
    created,
    owned_by: 'headgate-provider',
  }));
  return jsonPlan(200, { object: 'list', data });
}

const badRequest = (message: string): Plan => jsonPlan(400, errorBody(message, 'invalid_request_error'));

const notFound = (path: string): Plan =>
  jsonPlan(404, errorBody(`Unknown request URL: ${path}`, 'invalid_request_error', 'unknown_url'));

const wrongMethod = (method: string): Plan =>
  jsonPlan(405, errorBody(`Not allowed to ${method} here.`, 'invalid_request_error', 'method_not_supported'));
