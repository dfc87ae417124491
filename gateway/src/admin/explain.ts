/** `/explain` and `/explain/requests/{id}`: from the URL to a question, and from its explanation to an answer. */
import { nearestName } from '../config/problem.ts';
import type { NotExplained } from '../explain/document.ts';
import type { CallQuestion } from '../explain/explain-call.ts';
import type { Explainer } from '../explain/explainer.ts';
import { type AdminAnswer, json, problem } from './answer.ts';

const REQUESTS = '/explain/requests/';
const PARAMETERS = ['key', 'model', 'endUser', 'inputTokens', 'outputTokens'];
/** No id or name is longer; a longer one is not worth comparing with all that exist. */
const NAME_CHARS_MAX = 256;
/** More than any model takes, and few enough that their cost is exact. */
const TOKENS_MAX = 10_000_000;
const DEFAULT_INPUT_TOKENS = 1000;

const STATUS: Readonly<Record<NotExplained['problem'], number>> = {
  unknown_key: 404,
  unknown_model: 404,
  unknown_request: 404,
  request_running: 404,
  model_not_allowed: 400,
};

/** Null where the path is of something else. `url` is the path with its query, as it was sent. */
export async function explainAnswer(url: string, explainer: Explainer): Promise<AdminAnswer | null> {
  const [path = '', query = ''] = url.split(/\?(.*)/s, 2);
  if (path === '/explain') {
    const question = questionIn(new URLSearchParams(query));
    return 'status' in question ? question : answerOf(await explainer.call(question));
  }
  if (!path.startsWith(REQUESTS)) return null;
  const id = decoded(path.slice(REQUESTS.length));
  if (id === null || id === '' || id.length > NAME_CHARS_MAX) {
    return wrong('invalid_id', 'the path ends in one request id, percent-encoded');
  }
  return answerOf(await explainer.request(id));
}

function answerOf(explained: object | NotExplained): AdminAnswer {
  if (!('problem' in explained)) return json(explained);
  const { problem: code, detail, didYouMean } = explained;
  return problem({ status: STATUS[code], code, detail, didYouMean });
}

function questionIn(query: URLSearchParams): CallQuestion | AdminAnswer {
  for (const name of new Set(query.keys())) {
    if (!PARAMETERS.includes(name)) {
      const detail = `there is no parameter ${JSON.stringify(name.slice(0, NAME_CHARS_MAX))}; there are ${PARAMETERS.join(', ')}`;
      return wrong('unknown_parameter', detail, nearestName(name.slice(0, NAME_CHARS_MAX), PARAMETERS));
    }
    if (query.getAll(name).length > 1) return wrong('invalid_parameter', `${name} is given twice`);
    if (query.get(name)!.length > NAME_CHARS_MAX) {
      return wrong('invalid_parameter', `${name} has more than ${NAME_CHARS_MAX} characters`);
    }
  }
  const key = query.get('key') ?? '';
  const model = query.get('model') ?? '';
  if (key === '' || model === '') {
    const missing = key === '' ? 'key, the id of a key such as acme.web' : 'model, a name that callers use';
    return wrong('missing_parameter', `the parameter ${missing}, is missing`);
  }
  const inputTokens = tokensIn(query, 'inputTokens') ?? DEFAULT_INPUT_TOKENS;
  const outputTokens = tokensIn(query, 'outputTokens');
  if (Number.isNaN(inputTokens) || Number.isNaN(outputTokens)) {
    const which = Number.isNaN(inputTokens) ? 'inputTokens' : 'outputTokens';
    return wrong('invalid_parameter', `${which} has to be a whole number from 0 to ${TOKENS_MAX}`);
  }
  return { key, model, endUser: query.get('endUser') || null, inputTokens, outputTokens };
}

/** Null when it is not given, NaN when it is not such a number. */
function tokensIn(query: URLSearchParams, name: string): number | null {
  const text = query.get(name);
  if (text === null) return null;
  const tokens = /^\d{1,8}$/.test(text) ? Number(text) : Number.NaN;
  return tokens <= TOKENS_MAX ? tokens : Number.NaN;
}

function wrong(code: string, detail: string, didYouMean: string | null = null): AdminAnswer {
  return problem({ status: 400, code, detail, didYouMean });
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
