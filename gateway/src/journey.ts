/**
 * What is known of one call so far: filled phase by phase, read when something has to be said about it: its
 * headers, its refusal, its record.
 */
import type { Ticket } from './admit/ticket.ts';
import type { AttemptRecord, Call, Caller, RequestRecord } from './call.ts';
import type { Endpoint } from './endpoints.ts';
import type { Refused } from './errors.ts';
import { answerHeaders } from './listen/answer-headers.ts';
import type { BodyLease } from './listen/body.ts';
import { discard } from './listen/body.ts';
import type { Delivery } from './listen/delivery.ts';
import type { Exchange } from './listen/exchange.ts';
import { meter, round } from './meter/meter.ts';
import { dollars } from './policy/money.ts';
import type { Dialect, HeaderList, RefusalContext } from './protocols/dialect.ts';
import { openai } from './protocols/openai/wire.ts';
import { costOfAll, recordOf } from './settle/settle.ts';
import type { LimitState } from './stores/limit-store.ts';
import { type HoldSetting, type TargetHolds, targetHolds } from './target-holds.ts';
import { returnedHeaders } from './upstream/headers.ts';
import type { Answer, Attempt } from './upstream/one-attempt.ts';

/** Who did not get as far as an endpoint is answered in the most widely spoken dialect. */
const DEFAULT_DIALECT = openai;
/** What a caller that left before its answer is recorded with; it is never sent (nginx's convention). */
const LEFT_STATUS = 499;

export class Journey {
  endpoint: Endpoint | null = null;
  caller: Caller | null = null;
  call: Call | null = null;
  /** What the body holds of the gateway's memory. */
  readonly body: BodyLease = { bytes: 0 };
  /** What the call holds of the limits, once it was admitted. */
  ticket: Ticket | null = null;
  readonly attempts: Attempt[] = [];
  /** Why there was no complete answer; null when there was one. */
  refusal: Refused | null = null;
  /** The status the caller saw. */
  status = 0;
  readonly #exchange: Exchange;
  readonly #region: string;
  /** What the attempts hold of their targets' own limits; null where those have none. */
  holds: TargetHolds | null = null;
  #firstContentAt: number | null = null;
  /** The attempts as they are written down, once all are over. */
  #records: readonly AttemptRecord[] | null = null;

  constructor(exchange: Exchange, region: string) {
    this.#exchange = exchange;
    this.#region = region;
  }

  /** The limits let the call run. */
  admitted(ticket: Ticket, setting: HoldSetting): void {
    this.ticket = ticket;
    this.call = ticket.call;
    const { held } = this.#exchange;
    // One that had to wait for its turn has held it since.
    if (held.at(-1) !== ticket.id) held.push(ticket.id);
    this.holds = targetHolds(this.#exchange, ticket, setting);
  }

  /** An answer starts to go to the caller; an error is no content. `at`: monotonic milliseconds. */
  answered(status: number, at: number): void {
    this.status = status;
    if (status < 300) this.#firstContentAt = at;
  }

  /** The headers that any answer to this call carries. */
  headers(target: string | null = null): HeaderList {
    return answerHeaders({
      requestId: this.#exchange.id,
      region: this.#region,
      dialect: this.#dialect,
      caller: this.caller,
      model: this.call?.model ?? null,
      states: this.#states,
      queueMs: this.#queueMs,
      degradedFrom: this.ticket?.degradedFrom ?? null,
      target,
      attempts: this.attempts.length,
    });
  }

  /** The headers of a provider's answer: ours, and those of the provider's that may pass. */
  answerHeaders(answer: Answer, target: string): HeaderList {
    const headers = this.headers(target);
    headers.push(...returnedHeaders(answer.headers, this.#dialect, answer.kind === 'stream'));
    if (answer.status >= 300) headers.push('x-headgate-error-source', 'upstream');
    else if (answer.kind === 'whole') this.#pushCost(headers);
    return headers;
  }

  /** Tells the caller why there is no answer, with whatever the phases found out before. */
  async refuse(refused: Refused, delivery: Delivery, nowMs: number): Promise<void> {
    const exchange = this.#exchange;
    this.#firstContentAt = null;
    const reusable = discard(exchange.request);
    if (exchange.left) {
      this.status = LEFT_STATUS;
      return;
    }
    if (delivery.committed) {
      this.status = 200;
      return void (await delivery.fail(this.lastFrame(refused, nowMs)));
    }
    const answer = this.#dialect.refuse(refused, this.#context(nowMs));
    this.status = answer.status;
    const headers = [...this.headers(this.attempts.at(-1)?.target.id ?? null), ...answer.headers];
    if (refused.detail.allow !== undefined) headers.push('allow', refused.detail.allow);
    if (!reusable) headers.push('connection', 'close');
    await delivery.whole(answer.status, headers, answer.body);
  }

  /** The frame that ends a stream which cannot go on. */
  lastFrame(refused: Refused, nowMs: number): Buffer {
    return this.#dialect.refuseInStream(refused, this.#context(nowMs));
  }

  /** The call as it is written down. `now`: monotonic milliseconds. */
  record(now: number): RequestRecord {
    const { id, at, started, left } = this.#exchange;
    const call = this.call;
    return recordOf({
      id,
      at,
      region: this.#region,
      operation: this.endpoint?.operation ?? null,
      caller: this.caller,
      call,
      admitted: this.ticket !== null,
      states: this.#states,
      queueMs: round(this.#queueMs),
      degradedFrom: this.ticket?.degradedFrom ?? null,
      attempts: this.#records ?? this.#metered(),
      refusal: this.refusal,
      status: left && this.status === 0 ? LEFT_STATUS : this.status,
      durationMs: round(now - started),
      firstTokenMs: this.#firstContentAt === null ? null : round(this.#firstContentAt - started),
    });
  }

  /** As the limits stood when they admitted the call, or when they refused it. */
  get #states(): readonly LimitState[] {
    return this.ticket?.states ?? this.refusal?.detail.states ?? [];
  }

  get #queueMs(): number {
    return this.ticket?.queueMs ?? this.refusal?.detail.queueMs ?? 0;
  }

  get #dialect(): Dialect {
    return this.endpoint?.protocol ?? DEFAULT_DIALECT;
  }

  #pushCost(headers: HeaderList): void {
    this.#records = this.#metered();
    const cost = costOfAll(this.#records);
    if (cost !== null) headers.push('x-headgate-cost-usd', dollars(cost));
  }

  #metered(): readonly AttemptRecord[] {
    const { call } = this;
    return call === null ? [] : this.attempts.map((attempt, index) => meter(index + 1, attempt, call));
  }

  #context(nowMs: number): RefusalContext {
    const tier = this.caller?.tier;
    return {
      requestId: this.#exchange.id,
      call: this.call,
      nowMs,
      tier:
        tier === undefined
          ? null
          : { id: tier.id, upgradeTo: tier.upgrade?.to ?? null, upgradeUrl: tier.upgrade?.url ?? null },
    };
  }
}
