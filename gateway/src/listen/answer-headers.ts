/** The headers that every answer carries: who answered, for whom, and what is left. */
import type { Caller, Model } from '../call.ts';
import type { Dialect, HeaderList } from '../protocols/dialect.ts';
import { ietfHeaders } from '../protocols/ietf-limits.ts';
import type { LimitState } from '../stores/limit-store.ts';

/** What is known when the headers are written; null where the journey did not get so far. */
export interface AnswerFacts {
  readonly requestId: string;
  readonly region: string;
  readonly dialect: Dialect;
  readonly caller: Caller | null;
  readonly model: Model | null;
  readonly states: readonly LimitState[];
  /** The id of the target that answered. */
  readonly target: string | null;
  readonly attempts: number;
  /** Milliseconds for which limits held the call back. */
  readonly queueMs: number;
  /** The model that was asked for, when a limit sent the call to another. */
  readonly degradedFrom: string | null;
}

/** Flat list. Nothing here may be stored by a shared cache: an answer belongs to one caller (R57). */
export function answerHeaders(facts: AnswerFacts): HeaderList {
  const headers: HeaderList = ['x-request-id', facts.requestId, 'cache-control', 'private, no-store'];
  if (facts.caller !== null) headers.push('x-headgate-tier', facts.caller.tier.id);
  if (facts.model !== null) headers.push('x-headgate-model', facts.model.name);
  if (facts.target !== null) headers.push('x-headgate-target', facts.target);
  headers.push('x-headgate-region', facts.region);
  if (facts.attempts > 0) headers.push('x-headgate-attempts', String(facts.attempts));
  if (facts.states.length > 0) headers.push('x-headgate-queue-ms', String(Math.round(facts.queueMs)));
  if (facts.degradedFrom !== null) headers.push('x-headgate-degraded', facts.degradedFrom);
  if (facts.states.length > 0) headers.push(...facts.dialect.limitHeaders(facts.states), ...ietfHeaders(facts.states));
  return headers;
}
