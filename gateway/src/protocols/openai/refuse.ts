/**
 * Refusals and limit headers as OpenAI's clients understand them: the error object of
 * https://platform.openai.com/docs/guides/error-codes and the headers of https://platform.openai.com/docs/guides/rate-limits.
 * The SDKs obey `retry-after-ms`, `retry-after` and `x-should-retry`.
 */
import type { Refused } from '../../errors.ts';
import { capacityOf, type Dimension } from '../../policy/limit.ts';
import type { LimitState } from '../../stores/limit-store.ts';
import type { HeaderList, RefusalAnswer, RefusalContext } from '../dialect.ts';

const JSON_TYPE = 'application/json; charset=utf-8';

/** Codes that OpenAI's clients know under another name. */
const WIRE_CODES: Readonly<Record<string, string>> = {
  quota_exceeded: 'insufficient_quota',
  budget_exceeded: 'insufficient_quota',
};

export function refuse(refused: Refused, context: RefusalContext): RefusalAnswer {
  const { row, detail } = refused;
  const headers: HeaderList = ['content-type', JSON_TYPE];
  if (detail.retryAfterMs !== undefined && Number.isFinite(detail.retryAfterMs)) {
    const waitMs = Math.max(1, Math.ceil(detail.retryAfterMs));
    headers.push('retry-after', String(Math.max(1, Math.ceil(waitMs / 1000))), 'retry-after-ms', String(waitMs));
  }
  headers.push('x-should-retry', row.retry === 'never' ? 'false' : 'true', 'x-headgate-error-source', row.source);
  return { status: row.status, headers, body: Buffer.from(JSON.stringify({ error: errorOf(refused, context) })) };
}

/** The last frame of a stream that cannot go on. The SDKs raise an error on it; `[DONE]` never follows. */
export function refuseInStream(refused: Refused, context: RefusalContext): Buffer {
  if (refused.code === 'output_limit_reached') return cutShort(refused, context);
  return Buffer.from(`data: ${JSON.stringify({ error: errorOf(refused, context) })}\n\n`);
}

interface ErrorBody {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
  readonly headgate: object;
}

/**
 * The end of a stream that a limit ends: what `max_tokens` does, as if the caller had asked for no more. Every choice finishes with
 * `length`; what the limit was is said beside it.
 */
function cutShort(refused: Refused, context: RefusalContext): Buffer {
  const { call, requestId, nowMs } = context;
  const chat = call?.operation !== 'completion';
  const choices = Array.from({ length: call?.choices ?? 1 }, (_, index) => ({
    index,
    ...(chat ? { delta: {} } : { text: '' }),
    finish_reason: 'length',
    logprobs: null,
  }));
  const chunk = {
    id: requestId,
    object: chat ? 'chat.completion.chunk' : 'text_completion',
    created: Math.floor(nowMs / 1000),
    model: call?.model.name ?? '',
    choices,
    headgate: errorOf(refused, context).headgate,
  };
  return Buffer.from(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`);
}

function errorOf(refused: Refused, context: RefusalContext): ErrorBody {
  const { row, detail } = refused;
  const binding = detail.binding;
  return {
    message: refused.message,
    type: row.type,
    param: detail.param ?? null,
    code: WIRE_CODES[refused.code] ?? refused.code,
    headgate: {
      code: refused.code,
      source: row.source,
      // What a stranger reads must be the same every time (R19); the header tells it all the same.
      ...(row.phase !== 'identify' && { requestId: context.requestId }),
      ...(binding !== undefined && limitOf(binding, refused, context)),
    },
  };
}

function limitOf(state: LimitState, refused: Refused, context: RefusalContext): object {
  const { limit } = state.bound;
  const waitMs = state.retryAfterMs;
  const finite = Number.isFinite(waitMs);
  return {
    limit: limit.id,
    per: limit.per,
    dimension: limit.dimension,
    tier: context.tier?.id ?? null,
    used: state.used,
    reserved: state.reserved,
    amount: limit.amount,
    requested: refused.detail.requested ?? null,
    window: limit.window,
    retryAfterMs: finite ? Math.ceil(waitMs) : null,
    resetsAt: finite ? new Date(context.nowMs + Math.ceil(waitMs)).toISOString() : null,
    upgradeTo: context.tier?.upgradeTo ?? null,
    upgradeUrl: context.tier?.upgradeUrl ?? null,
  };
}

/** `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` for the limit of each kind that has the least left. */
export function limitHeaders(states: readonly LimitState[]): HeaderList {
  const headers: HeaderList = [];
  const requests = tightest(states, 'requests');
  if (requests !== null) push(headers, 'requests', requests);
  const tokens = tightest(states, 'tokens');
  if (tokens !== null) push(headers, 'tokens', tokens);
  return headers;
}

function tightest(states: readonly LimitState[], dimension: Dimension): LimitState | null {
  let least: LimitState | null = null;
  for (const state of states) {
    if (state.bound.limit.dimension !== dimension || state.bound.limit.onExceed === 'report') continue;
    if (least === null || state.remaining < least.remaining) least = state;
  }
  return least;
}

function push(headers: HeaderList, unit: string, state: LimitState): void {
  headers.push(
    `x-ratelimit-limit-${unit}`,
    String(capacityOf(state.bound.limit)),
    `x-ratelimit-remaining-${unit}`,
    String(state.remaining),
    `x-ratelimit-reset-${unit}`,
    goDuration(state.resetMs),
  );
}

/** A wait as OpenAI writes it, in Go's notation: `20ms`, `1s`, `6m0s`, `1h0m0s`. */
function goDuration(ms: number): string {
  const whole = Math.ceil(ms);
  if (whole < 1000) return `${whole}ms`;
  const seconds = Math.ceil(whole / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${seconds % 60}s`;
  return `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds % 60}s`;
}
