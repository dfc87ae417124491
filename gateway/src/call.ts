/**
 * The vocabulary: every noun that more than one phase speaks of. Types only.
 *
 * A *caller* makes a *call*. A *model* (the name callers use) resolves to ordered *targets* (provider, its
 * model, its credential). An *attempt* is one upstream request to one target. A *ticket* is what a call holds of the limits
 * while it runs. A *refusal* is an answer that Headgate gives instead of a provider.
 */
import type { ApplicableLimits } from './policy/applicable.ts';
import type { BodyMeasure } from './policy/estimate.ts';
import type { BoundLimit, Limit } from './policy/limit.ts';
import type { Prices } from './policy/money.ts';
import type { Size } from './policy/size.ts';
import type { Usage } from './policy/usage.ts';

/** A wire dialect. */
export type Protocol = 'openai';

/** What a call asks for; decides what is admitted and metered. */
export type Operation = 'chat' | 'completion' | 'embedding' | 'models' | 'model';

/** Milliseconds for each wait of an attempt; every one is a positive integer. */
export interface Timeouts {
  /** Until the connection to the provider stands. */
  readonly connect: number;
  /** From the request being sent until the response headers. */
  readonly headers: number;
  /** From the request being sent until the first content of a stream. */
  readonly firstToken: number;
  /** Between two pieces of a body. */
  readonly idle: number;
  /** The whole attempt, first byte to last. */
  readonly total: number;
}

/** A model server, as configured. */
export interface Provider {
  readonly name: string;
  readonly protocol: Protocol;
  /** Scheme, host and port, e.g. `https://api.example.com`. */
  readonly origin: string;
  /** What goes before the endpoint's own path, without a trailing slash: `/v1` or empty. */
  readonly basePath: string;
  /** The one credential, as the flat name/value list that is sent; empty when the provider needs none. Secret. */
  readonly credential: readonly string[];
  readonly region: string;
  /** Whether `stream_options.include_usage` may be sent to it. */
  readonly includeUsage: boolean;
}

/** A provider's model that can serve a call. */
export interface Target {
  /** `provider/model`, as in metrics, headers and the ledger. */
  readonly id: string;
  readonly provider: Provider;
  /** The model name that the provider knows. */
  readonly model: string;
  /** What its tokens cost; null when nobody knows, which is never the same as free. */
  readonly prices: Prices | null;
  readonly timeouts: Timeouts;
  /** What binds every attempt at it, whoever calls. */
  readonly limits: readonly BoundLimit[];
}

/** What a call that has a limit on cost may do when a target's price is unknown. */
export type Unpriced = 'reject' | 'allow';

/** How much output is reserved when a call is admitted, and how much at a time while it streams. */
export interface OutputReserve {
  /** All that the call may produce; what 95 % of the model's answers stay below, as learnt; or so many tokens. Never above the cap. */
  readonly output: 'cap' | 'p95' | number;
  /** Output tokens by which a stream extends its reservation. */
  readonly step: number;
}

/** A model name that callers use. */
export interface Model {
  readonly name: string;
  /** In the order in which they are tried. Never empty. */
  readonly targets: readonly Target[];
  /** Output tokens reserved when the caller states no cap. */
  readonly expectedOutputTokens: number;
  /** The most output tokens a call may ask for; set as the cap when the caller states none. Null: no cap. */
  readonly maxOutputTokens: number | null;
  readonly reserve: OutputReserve;
  readonly unpriced: Unpriced;
  /** The model that serves its calls when a limit says `degrade`; null: none does. Following it never comes round again. */
  readonly degradeTo: string | null;
  /** The limits written at the model; {@link ApplicableLimits} binds them to callers. */
  readonly limits: readonly Limit[];
}

export interface Tier {
  readonly id: string;
  /** As refusals say it: `Pro`. */
  readonly name: string;
  /** The way out that refusals offer. */
  readonly upgrade: { readonly to: string; readonly toName: string; readonly url: string | null } | null;
}

/** Who calls: a key, with everything that follows from it, resolved when the configuration was loaded. */
export interface Caller {
  /** Public and stable: `acme.web`. */
  readonly keyId: string;
  readonly organization: string;
  /** The team and the user of the organization to whom the key belongs, by name; null: none. */
  readonly team: string | null;
  readonly user: string | null;
  readonly tier: Tier;
  /** Model names this key may call. */
  readonly models: ReadonlySet<string>;
  /** Milliseconds since the epoch after which the key is refused; null: never. */
  readonly expiresAt: number | null;
  readonly revoked: boolean;
  /** Which limits bind a call of this key, by model. */
  readonly limits: ApplicableLimits;
}

/** What a caller asks for, with the body as it came. */
export interface Call extends Size {
  readonly operation: Operation;
  readonly model: Model;
  /** Whom of the caller's own users the call is for, by a name from `EndUsers`; null when it names nobody. */
  readonly endUser: string | null;
  readonly body: Buffer;
  readonly streamed: boolean;
  /** The largest cap on output tokens in the body; null when it states none. */
  readonly outputTokensAsked: number | null;
  /** How many answers are asked for at once; the cap counts for each. */
  readonly choices: number;
  /** Whether the caller asked for usage in the stream. */
  readonly wantsUsage: boolean;
  /** Where the fields stand that may have to be replaced, as byte offsets into `body`. */
  readonly spans: CallSpans;
  /** What the body is made of; what its input tokens are estimated from, and learnt from. */
  readonly measure: BodyMeasure;
}

export interface ByteSpan {
  readonly start: number;
  readonly end: number;
}

export interface CallSpans {
  /** Just behind the opening brace, where a field can be put first. */
  readonly open: number;
  readonly model: ByteSpan;
  readonly streamOptions: ByteSpan | null;
  /** Each stated cap on output tokens. */
  readonly outputCaps: readonly ByteSpan[];
  /** A `null` where a cap would be stated: a cap replaces it, since behind a second field of that name the `null` would win. */
  readonly nullCap: ByteSpan | null;
}

/** How a call or an attempt ended. Recorded after the last byte. */
export type Outcome =
  | 'ok'
  | 'client_closed'
  /** It was still running when the time to shut down was over. */
  | 'drained'
  | 'upstream_refused'
  | 'upstream_error'
  | 'upstream_error_in_stream'
  | 'truncated'
  /** A limit ended the stream before the provider did. */
  | 'cut_by_limit'
  | 'timeout_connect'
  | 'timeout_headers'
  | 'timeout_first_token'
  | 'timeout_idle'
  | 'timeout_total'
  | 'rejected_identify'
  | 'rejected_read'
  | 'rejected_admit'
  | 'rejected_route'
  | 'rejected_listen'
  | 'internal_error';

/** One upstream request: one row of the ledger. */
export interface AttemptRecord {
  /** 1 for the first attempt of a call. */
  readonly number: number;
  readonly target: string;
  readonly provider: string;
  readonly providerModel: string;
  readonly outcome: Outcome;
  /** The provider's status, or null when it never answered. */
  readonly status: number | null;
  readonly usage: Usage;
  /** Integer nano-dollars; null when the price is unknown. */
  readonly cost: number | null;
  /** The prices `cost` was computed with. */
  readonly prices: Prices | null;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly durationMs: number;
}

/** One call from first to last byte: one row of the ledger, one line of the log. Holds no secret and no content. */
export interface RequestRecord {
  /** The request id. */
  readonly id: string;
  /** Milliseconds since the epoch at which it arrived; the calendar windows it counts in contain this instant. */
  readonly at: number;
  readonly region: string;
  readonly operation: Operation | null;
  readonly keyId: string | null;
  readonly organization: string | null;
  readonly team: string | null;
  readonly user: string | null;
  readonly tier: string | null;
  /** The model whose targets were tried and whose limits counted it, by the name that callers use; null when there is none. */
  readonly model: string | null;
  /** The model the caller asked for, when a limit sent the call to `model` instead; else null. */
  readonly degradedFrom: string | null;
  /** The user of the caller's own product, as counted; null when the request names none. */
  readonly endUser: string | null;
  readonly streamed: boolean;
  /** Whether the limits admitted it: then it counts as one request, whatever became of it. */
  readonly admitted: boolean;
  /** Milliseconds for which limits held it back before it was forwarded or refused; 0 mostly. */
  readonly queueMs: number;
  /** What the caller saw; 499 when the caller left before an answer. */
  readonly status: number;
  readonly outcome: Outcome;
  /** The refusal's code, or null. */
  readonly code: string | null;
  /** The limit that refused it, or null. */
  readonly limit: string | null;
  /** The ids of the limits that only report and that it was over. */
  readonly reported: readonly string[];
  /** The sum over the attempts. */
  readonly usage: Usage;
  /** Integer nano-dollars over all attempts with a known price; null when any price is unknown. */
  readonly cost: number | null;
  readonly attempts: readonly AttemptRecord[];
  /** Milliseconds, with microseconds behind the point. */
  readonly durationMs: number;
  /** Milliseconds until the first content reached the caller; null when none did. */
  readonly firstTokenMs: number | null;
}
