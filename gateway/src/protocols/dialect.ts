/** What a protocol must provide. Below this line nobody compares protocol names. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Call, Operation, Protocol, Target } from '../call.ts';
import type { Refused } from '../errors.ts';
import type { Usage } from '../policy/usage.ts';
import type { LimitState } from '../stores/limit-store.ts';

/** What a request body says, before anything is looked up. */
export type CallFields = Pick<Call, 'body' | 'streamed' | 'outputTokensAsked' | 'choices' | 'wantsUsage' | 'spans'> & {
  readonly model: string;
  /** Whom of the caller's own users the call is for, as the caller says it; null when it does not. */
  readonly endUser: string | null;
};

/** Response headers as Node takes them: name, value, name, value. */
export type HeaderList = string[];

export interface RefusalAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/** What a complete, non-streamed body says. */
export interface BodyReading {
  /** False when the bytes are not one whole JSON document. */
  readonly complete: boolean;
  /** What the provider reported, or null. */
  readonly usage: Usage | null;
}

/** Watches the events of one answer as they pass. Fed whole events only, in order. */
export interface StreamReading {
  /**
   * Looks at a block of whole events and answers the bytes to send on: the block itself, or less where it carried an event that
   * only Headgate asked for. An empty buffer means: nothing to send.
   */
  take(block: Buffer): Buffer;
  /** Whether content has been seen; before that the answer can still come from another target. */
  readonly started: boolean;
  /** Whether the provider said that the answer is complete. */
  readonly complete: boolean;
  /** The provider's error, once an error frame was seen. */
  readonly error: string | null;
  /** The latest usage the provider reported, or null. */
  readonly usage: Usage | null;
  /** Output tokens delivered so far, counted from the events; used only where the provider reports none. */
  readonly deliveredTokens: number;
}

export interface Dialect {
  readonly name: Protocol;
  /** The caller's secret, or null when there is none. */
  credential(headers: IncomingHttpHeaders): string | null;
  /** Reads what Headgate needs of a body. Throws `invalid_json` or `invalid_field`. */
  read(operation: Operation, body: Buffer): CallFields;
  /** The body for this target: the caller's bytes, but for the model and what a policy injects. */
  write(call: Call, target: Target): Buffer;
  /** Whether {@link write} asks this target for usage that the caller did not ask for, so that it must be hidden again. */
  asksForUsage(call: Call, target: Target): boolean;
  /** The provider's path for this operation. */
  path(operation: Operation): string;
  /** Request headers, lower case, that a caller's may be passed on. */
  readonly forwardedHeaders: readonly string[];
  /** Response headers, lower case, that a provider's may be passed on. */
  readonly returnedHeaders: ReadonlySet<string>;
  readBody(operation: Operation, bytes: Buffer): BodyReading;
  readStream(operation: Operation, hideUsage: boolean): StreamReading;
  /** The limit headers that this protocol's clients know. */
  limitHeaders(states: readonly LimitState[]): HeaderList;
  /** A refusal as this protocol's clients understand it. */
  refuse(refused: Refused, context: RefusalContext): RefusalAnswer;
  /** A refusal in the middle of a stream: the last frame. */
  refuseInStream(refused: Refused, context: RefusalContext): Buffer;
}

/** What a refusal may say about its surroundings. */
export interface RefusalContext {
  readonly requestId: string;
  /** Null where the request could not be read. */
  readonly call: Call | null;
  /** Milliseconds since the epoch, to turn a wait into an instant. */
  readonly nowMs: number;
  readonly tier: { readonly id: string; readonly upgradeTo: string | null; readonly upgradeUrl: string | null } | null;
}
