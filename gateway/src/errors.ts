/**
 * Every refusal Headgate can give, in one table. A code never changes its meaning; docs/errors.md lists them.
 * Policy decides (values), phases throw a {@link Refused}, only the journey catches, the protocol renders.
 */
import type { Outcome } from './call.ts';
import type { LimitState } from './stores/limit-store.ts';

export type Phase = 'listen' | 'identify' | 'read' | 'route' | 'admit' | 'attempt' | 'meter' | 'settle';

/** Who is at fault, so that nobody debugs the wrong side. */
export type Source = 'caller' | 'gateway' | 'upstream';

interface Row {
  readonly phase: Phase;
  readonly source: Source;
  readonly status: number;
  /** What a client should do with the same request. */
  readonly retry: 'never' | 'later';
  readonly outcome: Outcome;
  /** OpenAI's `error.type`. */
  readonly type: string;
  /** What the caller reads when the thrower has nothing more exact to say. */
  readonly public: string;
}

const row = (
  phase: Phase,
  source: Source,
  status: number,
  retry: Row['retry'],
  outcome: Outcome,
  type: string,
  text: string,
): Row => ({ phase, source, status, retry, outcome, type, public: text });

// biome-ignore format: one refusal a line makes it a table
export const REFUSALS = {
  // phase, source, status, retry, outcome, type, public text
  not_found: row('listen', 'caller', 404, 'never', 'rejected_listen', 'invalid_request_error', 'There is no such endpoint.'),
  method_not_allowed: row('listen', 'caller', 405, 'never', 'rejected_listen', 'invalid_request_error', 'This endpoint does not take that method.'),
  body_too_large: row('listen', 'caller', 413, 'never', 'rejected_listen', 'invalid_request_error', 'The request body is too large.'),
  body_timeout: row('listen', 'caller', 408, 'never', 'rejected_listen', 'invalid_request_error', 'The request body did not arrive in time.'),
  body_encoding: row('listen', 'caller', 415, 'never', 'rejected_listen', 'invalid_request_error', 'Send the request body without content-encoding.'),
  overloaded: row('listen', 'gateway', 503, 'later', 'rejected_listen', 'server_error', 'The gateway holds too many request bodies at the moment.'),
  draining: row('listen', 'gateway', 503, 'later', 'drained', 'server_error', 'This gateway is shutting down; another one will answer.'),

  invalid_api_key: row('identify', 'caller', 401, 'never', 'rejected_identify', 'authentication_error', 'The API key is missing or not valid.'),

  invalid_json: row('read', 'caller', 400, 'never', 'rejected_read', 'invalid_request_error', 'The request body is not a JSON object.'),
  invalid_field: row('read', 'caller', 400, 'never', 'rejected_read', 'invalid_request_error', 'A field of the request is missing or of the wrong type.'),
  model_not_found: row('read', 'caller', 404, 'never', 'rejected_read', 'invalid_request_error', 'There is no such model.'),
  model_not_allowed: row('read', 'caller', 403, 'never', 'rejected_read', 'permission_error', 'This key may not call that model.'),

  model_price_unknown: row('route', 'gateway', 403, 'never', 'rejected_route', 'permission_error', 'The price of this model is unknown and this key has a limit on cost.'),

  rate_limit_exceeded: row('admit', 'caller', 429, 'later', 'rejected_admit', 'rate_limit_error', 'A rate limit is used up.'),
  concurrency_exceeded: row('admit', 'caller', 429, 'later', 'rejected_admit', 'rate_limit_error', 'Too many requests at the same time.'),
  quota_exceeded: row('admit', 'caller', 429, 'never', 'rejected_admit', 'insufficient_quota', 'A quota is used up.'),
  budget_exceeded: row('admit', 'caller', 429, 'never', 'rejected_admit', 'insufficient_quota', 'A budget is used up.'),
  limits_unavailable: row('admit', 'gateway', 503, 'later', 'rejected_admit', 'server_error', 'The limits of this request cannot be checked at the moment, and one of them must be.'),
  request_exceeds_limit: row('admit', 'caller', 400, 'never', 'rejected_admit', 'invalid_request_error', 'The request is larger than a limit can ever admit.'),
  targets_at_limit: row('admit', 'gateway', 503, 'later', 'rejected_admit', 'server_error', 'Every model server for this model is at its limit.'),

  upstream_auth: row('attempt', 'upstream', 502, 'never', 'upstream_error', 'server_error', "The provider refused the gateway's own credential. The operator has to act; your key is fine."),
  upstream_error: row('attempt', 'upstream', 502, 'later', 'upstream_error', 'server_error', 'The provider failed.'),
  upstream_unavailable: row('attempt', 'upstream', 503, 'later', 'upstream_error', 'server_error', 'The provider is overloaded or cannot be reached.'),
  upstream_rate_limited: row('attempt', 'upstream', 429, 'later', 'upstream_refused', 'rate_limit_error', "The provider's own rate limit is used up."),
  upstream_refused: row('attempt', 'upstream', 400, 'never', 'upstream_refused', 'invalid_request_error', 'The provider refused the request.'),
  upstream_truncated: row('attempt', 'upstream', 502, 'later', 'truncated', 'server_error', "The provider's answer ended before it was complete."),
  timeout_connect: row('attempt', 'upstream', 504, 'later', 'timeout_connect', 'server_error', 'The provider could not be connected to in time.'),
  timeout_headers: row('attempt', 'upstream', 504, 'later', 'timeout_headers', 'server_error', 'The provider did not begin to answer in time.'),
  timeout_first_token: row('attempt', 'upstream', 504, 'later', 'timeout_first_token', 'server_error', 'The provider sent no content in time.'),
  timeout_idle: row('attempt', 'upstream', 504, 'later', 'timeout_idle', 'server_error', 'The provider stopped sending in the middle of its answer.'),
  timeout_total: row('attempt', 'upstream', 504, 'later', 'timeout_total', 'server_error', 'The answer took longer than this target is given.'),
  output_limit_reached: row('meter', 'caller', 200, 'never', 'cut_by_limit', 'rate_limit_error', 'A limit was reached in the middle of the answer.'),
  upstream_error_in_stream: row('meter', 'upstream', 502, 'later', 'upstream_error_in_stream', 'server_error', 'The provider reported an error in the middle of its answer.'),

  client_closed: row('meter', 'caller', 499, 'never', 'client_closed', 'invalid_request_error', 'The caller left.'),
  internal: row('settle', 'gateway', 500, 'later', 'internal_error', 'server_error', 'Headgate failed. The request id finds the cause in its log.'),
} as const satisfies Record<string, Row>;

export type RefusalCode = keyof typeof REFUSALS;

/** What a refusal says beyond its row. */
export interface RefusalDetail {
  /** The text callers read, instead of the row's own. */
  readonly message?: string;
  /** The request field at fault. */
  readonly param?: string;
  /** The methods that the path does take, for a request that came with another one. */
  readonly allow?: string;
  /** Milliseconds until the same request can pass. */
  readonly retryAfterMs?: number;
  /** The limit that binds, with its state. */
  readonly binding?: LimitState;
  /** Every limit that was looked at, for the headers. */
  readonly states?: readonly LimitState[];
  /** The id of the limit to write down, where the caller is not told of it. */
  readonly limit?: string;
  /** Milliseconds it was held back before it was refused. */
  readonly queueMs?: number;
  /** How much of the binding limit the request asked for. */
  readonly requested?: number;
  /** What was thrown, where it is a defect. */
  readonly cause?: unknown;
}

/** How soon to come back when nobody can say how long the cause will last. */
const UNKNOWN_WAIT_MS = 1000;

/** Whether its clients expect a `retry-after` (R27) and the thrower knew of none. */
function mustSayWhen({ status, retry }: Row, { retryAfterMs }: RefusalDetail): boolean {
  return (status === 429 || status === 503) && retry === 'later' && retryAfterMs === undefined;
}

/**
 * A refusal on its way to the journey. Not an Error on purpose: it is an answer and not a defect, and capturing a stack
 * for each one would make refusing a flood dearer than serving it.
 */
export class Refused {
  readonly code: RefusalCode;
  readonly detail: RefusalDetail;

  constructor(code: RefusalCode, detail: RefusalDetail = {}) {
    this.code = code;
    this.detail = mustSayWhen(REFUSALS[code], detail) ? { ...detail, retryAfterMs: UNKNOWN_WAIT_MS } : detail;
  }

  get row(): Row {
    return REFUSALS[this.code];
  }

  /** The text that callers read. */
  get message(): string {
    return this.detail.message ?? this.row.public;
  }
}

/** Anything thrown, as a refusal. What is not one is a defect: its text stays in the log. */
export function refusalOf(thrown: unknown): Refused {
  if (thrown instanceof Refused) return thrown;
  return new Refused('internal', { cause: thrown });
}
