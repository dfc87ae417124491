/**
 * One attempt at one target, from the first byte sent to the last byte received.
 *
 *   connecting → sent → answered → (whole) collected → over
 *                               ↘ (stream) held → flowing → over
 *
 * Invariants
 *  (1) `run` answers once: with an answer, or with the failure that lets the next target be tried. A stream answers at its first
 *      content; until then everything it sent is held, so that no byte of a failed target reaches the caller.
 *  (2) After a stream flows, its end is told exactly once to the sink: null when the provider completed it.
 *  (3) Whatever ends it (the provider, a wait, the caller) stops its timer and closes or returns its connection.
 */
import type { Call, Outcome, Target } from '../call.ts';
import type { Clock } from '../clock.ts';
import { Refused } from '../errors.ts';
import { retryAfterMs, type Verdict, verdictOf } from '../policy/failure.ts';
import type { BodyReading, Dialect, StreamReading } from '../protocols/dialect.ts';
import { EventCutter, ended } from '../protocols/sse.ts';
import type { Connections, Upstream, UpstreamEvents } from './connection.ts';
import { Deadlines } from './deadlines.ts';
import { redacted, redactedText } from './redact.ts';

/** The largest answer that is not a stream, in bytes. */
const WHOLE_BYTES_MAX = 64 * 1024 * 1024;
/** A stream that says this much without content is passed on as it is. */
const HELD_BYTES_MAX = 512 * 1024;
const EVENT_STREAM = /^text\/event-stream\b/i;

type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Takes a stream's bytes as they flow. */
export interface StreamSink {
  data(bytes: Buffer): void;
  /** The stream is over: null when it is complete, otherwise why it is not. */
  over(reason: Refused | null): void;
}

export type Answer =
  | { readonly kind: 'whole'; readonly status: number; readonly headers: ResponseHeaders; readonly body: Buffer }
  | { readonly kind: 'stream'; readonly status: number; readonly headers: ResponseHeaders };

export interface AttemptResult {
  /** What to send, if this is where it ends. Null: nothing of the provider's can be passed on. */
  readonly answer: Answer | null;
  /** Why another target should be tried; null when the answer stands. */
  readonly failure: Refused | null;
}

export interface AttemptSetting {
  readonly dialect: Dialect;
  readonly connections: Connections;
  readonly clock: Clock;
}

export class Attempt implements UpstreamEvents {
  readonly target: Target;
  readonly startedAt: number;
  status: number | null = null;
  outcome: Outcome = 'ok';
  durationMs = 0;
  body: BodyReading | null = null;
  reading: StreamReading | null = null;
  /** Bytes of the answer's body that came. */
  bytes = 0;
  readonly #call: Call;
  readonly #setting: AttemptSetting;
  readonly #started: number;
  readonly #deadlines: Deadlines;
  readonly #cutter = new EventCutter();
  #upstream: Upstream | null = null;
  #headers: ResponseHeaders = {};
  #pieces: Buffer[] = [];
  #resolve: ((result: AttemptResult) => void) | null = null;
  #sink: StreamSink | null = null;
  #end: { reason: Refused | null } | null = null;

  constructor(call: Call, target: Target, setting: AttemptSetting) {
    this.target = target;
    this.#call = call;
    this.#setting = setting;
    this.startedAt = setting.clock.now();
    this.#started = setting.clock.monotonic();
    this.#deadlines = new Deadlines(setting.clock, target.timeouts, (code) => this.#fail(new Refused(code)));
  }

  run(headers: string[], hideUsage: boolean): Promise<AttemptResult> {
    const { dialect, connections } = this.#setting;
    const { provider } = this.target;
    if (this.#call.streamed) this.reading = dialect.readStream(this.#call.operation, hideUsage);
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#upstream = connections.open(
        {
          origin: provider.origin,
          method: 'POST',
          path: provider.basePath + dialect.path(this.#call.operation),
          headers,
          body: dialect.write(this.#call, this.target),
        },
        this,
      );
    });
  }

  /** The caller left, or the gateway must stop: the provider must stop generating. */
  interrupt(reason: Refused): void {
    this.#fail(reason);
  }

  /** From now on the stream's bytes go to `sink`, those that were held first. */
  flow(sink: StreamSink): void {
    this.#sink = sink;
    const held = this.#pieces;
    this.#pieces = [];
    for (const piece of held) sink.data(piece);
    if (this.#end !== null) sink.over(this.#end.reason);
  }

  /** The caller reads too slowly: the provider is not read either. */
  pause(): void {
    this.#upstream?.pause();
    this.#deadlines.held();
  }

  resume(): void {
    this.#upstream?.resume();
    this.#deadlines.released();
  }

  /** Whether the bytes that flowed so far end inside an event. */
  get midEvent(): boolean {
    return this.#cutter.midEvent;
  }

  sent(): void {
    this.#deadlines.sent(this.#call.streamed);
  }

  answered(status: number, headers: ResponseHeaders): void {
    this.status = status;
    this.#headers = headers;
    const type = headers['content-type'];
    const streams = status < 300 && typeof type === 'string' && EVENT_STREAM.test(type);
    if (!streams) this.reading = null;
    else this.reading ??= this.#setting.dialect.readStream(this.#call.operation, false);
    this.#deadlines.answered(streams);
  }

  data(piece: Buffer): void {
    this.bytes += piece.length;
    if (this.reading === null) return this.#collect(piece);
    const block = this.#cutter.push(piece);
    if (block !== null) this.#pass(block, this.reading);
    else if (this.reading.started) this.#deadlines.progressed();
  }

  ended(): void {
    if (this.reading === null) return this.#finishWhole();
    const rest = this.#cutter.rest();
    if (rest !== null) this.#pass(rest, this.reading, true);
    if (this.#end === null) this.#finishStream(new Refused('upstream_truncated'));
  }

  failed(): void {
    const code = this.status === null ? 'upstream_unavailable' : 'upstream_truncated';
    const failure = new Refused(code);
    if (this.reading !== null) this.#finishStream(failure);
    else this.#conclude({ answer: null, failure });
  }

  #collect(piece: Buffer): void {
    if (this.bytes > WHOLE_BYTES_MAX) return this.#fail(new Refused('upstream_error'));
    this.#pieces.push(piece);
    this.#deadlines.progressed();
  }

  #pass(block: Buffer, reading: StreamReading, last = false): void {
    const taken = reading.take(block);
    const failure = reading.error === null ? null : this.#errorInStream(reading.error);
    if (failure !== null && !reading.started && this.#resolve !== null) return this.#fail(failure);
    // A complete stream may lack its last blank line; half an event of another would swallow the error frame behind it.
    if (last && !reading.complete && failure === null) return;
    const out = failure === null ? taken : redacted(last ? ended(taken) : taken, this.target.provider);
    if (out.length > 0) {
      if (this.#sink !== null) this.#sink.data(out);
      else this.#pieces.push(out);
    }
    if (!reading.started && this.bytes < HELD_BYTES_MAX) return;
    this.#deadlines.progressed();
    this.#begin();
    // Nothing that a provider says behind its error is passed on, so there is nothing to wait for.
    if (failure !== null) this.#fail(failure);
  }

  #errorInStream(said: string): Refused {
    return new Refused('upstream_error_in_stream', { message: redactedText(said, this.target.provider) });
  }

  #finishWhole(): void {
    const status = this.status ?? 502;
    const body = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    const verdict = verdictOf(status);
    if (verdict.kind === 'failure') return this.#failWith(verdict, body);
    if (status < 300) {
      this.body = this.#setting.dialect.readBody(this.#call.operation, body);
      if (!this.body.complete) return this.#fail(new Refused('upstream_truncated'));
    } else this.outcome = 'upstream_refused';
    this.#conclude({ answer: this.#whole(body), failure: null });
  }

  #failWith(verdict: Verdict & { kind: 'failure' }, body: Buffer): void {
    const wait = retryAfterMs(this.#headers, this.#setting.clock.now());
    const failure = new Refused(verdict.code, wait === null ? {} : { retryAfterMs: wait });
    this.#conclude({ answer: verdict.mirror && body.length > 0 ? this.#whole(body) : null, failure });
  }

  /** The provider's answer in one piece; an error without what is not the caller's to know. */
  #whole(body: Buffer): Answer {
    const status = this.status ?? 502;
    const shown = status < 300 ? body : redacted(body, this.target.provider);
    return { kind: 'whole', status, headers: this.#headers, body: shown };
  }

  /**
   * The stream is over, and complete if the provider said so, and named no error, before it stopped. A caller that left between
   * the last token and the usage did not have all of it (R3).
   */
  #finishStream(otherwise: Refused): void {
    const reading = this.reading!;
    const abandoned = otherwise.code === 'client_closed' && reading.usage === null;
    const sound = reading.complete && reading.error === null && !abandoned;
    this.#overStream(sound ? null : otherwise);
  }

  #overStream(reason: Refused | null): void {
    if (this.#resolve !== null && reason !== null) return this.#conclude({ answer: null, failure: reason });
    this.#begin();
    if (this.#end !== null) return;
    this.#end = { reason };
    this.#close(reason?.row.outcome ?? 'ok');
    this.#sink?.over(reason);
  }

  /** Ends it from this side: a wait ran out, the caller left, or the answer is of no use. */
  #fail(reason: Refused): void {
    this.#upstream?.abort();
    if (this.reading !== null && this.#resolve === null) return this.#finishStream(reason);
    this.#conclude({ answer: null, failure: reason });
  }

  #conclude(result: AttemptResult): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    this.#close(result.failure?.row.outcome ?? this.outcome);
    resolve(result);
  }

  /** Answers `run` with the stream, unless it was answered; from here on its bytes flow. */
  #begin(): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    resolve({ answer: { kind: 'stream', status: this.status ?? 200, headers: this.#headers }, failure: null });
  }

  #close(outcome: Outcome): void {
    this.#deadlines.stop();
    this.outcome = outcome;
    this.durationMs = this.#setting.clock.monotonic() - this.#started;
  }
}
