/**
 * A stream whose reservation grows with it: reserved for a part of what it may produce, it asks for more before that is delivered.
 *
 * Invariants
 *  (1) One extension is asked for at a time: when four fifths of what is covered have been delivered; where less than a step is
 *      left, for the rest; and where nothing is, once more when all that is covered has been delivered.
 *  (2) What a soft limit lacks is debt, and hides nothing that a hard one lacks: from then on the hard ones alone are reserved, aside.
 *  (3) Under a hard limit no piece is read from the provider beyond the one that reaches what is covered: until the answer comes
 *      the provider is not read, and when the answer is no, it is stopped. Under soft limits the stream goes on into debt.
 *  (4) The caller's reading and the limits each hold the provider back on their own account.
 */
import type { Call, Target } from '../call.ts';
import { Refused } from '../errors.ts';
import { exactly } from '../policy/demand.ts';
import { type Amounts, amountOf, type BoundLimit, endsOutput } from '../policy/limit.ts';
import { worstCost } from '../policy/money.ts';
import type { StreamReading } from '../protocols/dialect.ts';
import type { Answer, Decision, LimitState, LimitStore, Refusal } from '../stores/limit-store.ts';

interface Sink {
  data(bytes: Buffer): void;
  over(reason: Refused | null): void;
}

/** A provider's stream, as an attempt hands it on. */
export interface Source {
  readonly target: Target;
  readonly reading: StreamReading | null;
  readonly midEvent: boolean;
  flow(sink: Sink): void;
  pause(): void;
  resume(): void;
  interrupt(reason: Refused): void;
}

export interface Coverage {
  /** What the reservation is known by. */
  readonly id: string;
  readonly call: Call;
  readonly coveredTokens: number;
  /** The limits that were reserved. */
  readonly states: readonly LimitState[];
  /** The reservations of the request: those aside are added to it, to be given back when what was really used is settled. */
  readonly held: string[];
}

/** The stream itself where all it may produce is covered. */
export function extended(source: Source, coverage: Coverage, limits: LimitStore): Source {
  return coverage.coveredTokens === Number.POSITIVE_INFINITY ? source : new ExtendedStream(source, coverage, limits);
}

class ExtendedStream implements Source, Sink {
  readonly target: Target;
  readonly #source: Source;
  readonly #coverage: Coverage;
  readonly #limits: LimitStore;
  readonly #hard: boolean;
  #covered: number;
  /** Delivered tokens at which more is asked for. */
  #askAt: number;
  #step = 1;
  #asking = false;
  /** The limits that are reserved aside, once a soft one has no more. */
  #apart: readonly BoundLimit[] | null = null;
  #aside = 0;
  /** No more is asked for: the rest is debt, or the end. */
  #settled = false;
  #sink: Sink | null = null;
  #flowing = false;
  #heldByCaller = false;
  #heldByLimits = false;

  constructor(source: Source, coverage: Coverage, limits: LimitStore) {
    this.target = source.target;
    this.#source = source;
    this.#coverage = coverage;
    this.#limits = limits;
    this.#covered = coverage.coveredTokens;
    this.#askAt = soonBefore(this.#covered);
    this.#hard = coverage.states.some(({ bound }) => endsOutput(bound.limit));
  }

  get reading(): StreamReading | null {
    return this.#source.reading;
  }

  get midEvent(): boolean {
    return this.#source.midEvent;
  }

  flow(sink: Sink): void {
    this.#sink = sink;
    this.#source.flow(this);
    // What had been read before it flowed is passed on whole: it has been generated, and counts.
    this.#flowing = true;
    this.#look();
  }

  data(bytes: Buffer): void {
    this.#sink?.data(bytes);
    if (this.#flowing) this.#look();
  }

  over(reason: Refused | null): void {
    this.#settled = true;
    this.#heldByLimits = false;
    this.#sink?.over(reason);
  }

  pause(): void {
    this.#heldByCaller = true;
    this.#source.pause();
  }

  resume(): void {
    this.#heldByCaller = false;
    if (!this.#heldByLimits) this.#source.resume();
  }

  interrupt(reason: Refused): void {
    this.#source.interrupt(reason);
  }

  #look(): void {
    const { reading } = this.#source;
    if (this.#settled || reading === null || reading.complete) return;
    const delivered = reading.deliveredTokens;
    if (!this.#asking && delivered >= this.#askAt) this.#askFor(this.#wantedAt(delivered), false);
    if (this.#asking && this.#hard && delivered >= this.#covered && !this.#heldByLimits) {
      this.#heldByLimits = true;
      this.#source.pause();
    }
  }

  /** A step on top of what is delivered without cover, and no more than the call may produce; at most 0 when that is covered. */
  #wantedAt(delivered: number): number {
    const { call } = this.#coverage;
    const most = call.outputCapped ? call.outputTokens : Number.POSITIVE_INFINITY;
    const uncovered = Math.max(0, delivered - this.#covered);
    return Math.min(uncovered + call.model.reserve.step * call.choices, most - this.#covered);
  }

  /** `isRest`: no more than the limits said that they have room for. */
  #askFor(tokens: number, isRest: boolean): void {
    if (tokens <= 0) {
      this.#settled = true;
      return;
    }
    const { prices } = this.target;
    const cost = prices === null ? 0 : worstCost(0, tokens, prices);
    const more: Amounts = { requests: 0, inputTokens: 0, outputTokens: tokens, cost, parts: null };
    this.#asking = true;
    const answer = this.#apart === null ? this.#extend(more) : this.#reserveAside(this.#apart, more);
    if (answer instanceof Promise) {
      // A store that does not answer now settles later: what it did not extend becomes debt.
      answer.then(
        (decision) => this.#answered(decision, more, isRest),
        () => this.#answered(null, more, isRest),
      );
    } else this.#answered(answer, more, isRest);
  }

  #extend(more: Amounts): Answer<Decision | null> {
    return this.#limits.extend(this.#coverage.id, this.#step, more);
  }

  #reserveAside(apart: readonly BoundLimit[], more: Amounts): Answer<Decision> {
    const { id, held } = this.#coverage;
    const name = `${id}+${++this.#aside}`;
    // Noted before it is there, so that it is given back also when the stream ends first.
    held.push(name);
    return this.#limits.reserve(name, apart, exactly(more));
  }

  #answered(decision: Decision | null, more: Amounts, isRest: boolean): void {
    this.#asking = false;
    if (this.#settled) return;
    if (decision === null) this.#settled = true;
    else if (decision.admitted) {
      this.#covered += more.outputTokens;
      this.#askAt = soonBefore(this.#covered);
      this.#step++;
    } else this.#refused(decision, more, isRest);
    if (this.#asking || !this.#heldByLimits) return;
    this.#heldByLimits = false;
    if (!this.#heldByCaller) this.#source.resume();
  }

  #refused(refusal: Refusal, more: Amounts, isRest: boolean): void {
    const hard = refusal.states.find(({ bound, retryAfterMs }) => retryAfterMs > 0 && endsOutput(bound.limit));
    if (hard === undefined) {
      this.#apart = this.#apart === null ? hardOnes(this.#coverage.states, more) : [];
      if (this.#apart.length > 0) this.#askFor(more.outputTokens, false);
      else this.#settled = true;
      return;
    }
    const rest = isRest ? 0 : roomFor(more, refusal.states);
    if (rest > 0) return this.#askFor(rest, true);
    // What is covered may still be delivered; until then others may give something back.
    this.#askAt = this.#covered;
    if ((this.#source.reading?.deliveredTokens ?? 0) < this.#covered) return;
    this.#settled = true;
    this.#source.interrupt(new Refused('output_limit_reached', { binding: hard, states: refusal.states }));
  }
}

/** The hard limits of which `more` takes something. */
function hardOnes(states: readonly LimitState[], more: Amounts): readonly BoundLimit[] {
  return states.map(({ bound }) => bound).filter(({ limit }) => endsOutput(limit) && amountOf(limit, more) > 0);
}

/** Early enough for the answer to be there before all that is covered has been delivered. */
function soonBefore(covered: number): number {
  return Math.ceil((covered * 4) / 5);
}

/** How many of the output tokens in `more`, which were refused together, every limit has room for. */
function roomFor(more: Amounts, states: readonly LimitState[]): number {
  let room = more.outputTokens - 1;
  for (const { bound, remaining, retryAfterMs } of states) {
    if (retryAfterMs === 0 || bound.limit.onExceed === 'report') continue;
    room = Math.min(room, Math.floor((more.outputTokens * remaining) / amountOf(bound.limit, more)));
  }
  return room;
}
