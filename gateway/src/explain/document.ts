/**
 * What an explanation says, as the admin API sends it: docs/explain.md describes each field, and they keep their names.
 * Amounts are integers in the limit's unit; times are ISO 8601, waits are milliseconds.
 */
import type { Outcome } from '../call.ts';
import type { RefusalCode } from '../errors.ts';
import type {
  Algorithm,
  Dimension,
  Level,
  OnExceed,
  OnStoreError,
  Overrun,
  Sharing,
  Weights,
} from '../policy/limit.ts';

export type Unit = 'requests' | 'tokens' | 'nanoUsd';

/** Whether a request of some size passes a limit now, after a time that is known, after one that nobody knows, or never. */
export type Retry = 'now' | 'later' | 'whenAnAnswerEnds' | 'never';

export interface LimitFacts {
  readonly id: string;
  readonly per: Level;
  /** Whose use it adds up. */
  readonly subject: string;
  readonly dimension: Dimension;
  readonly unit: Unit;
  readonly amount: number;
  readonly window: string;
  readonly algorithm: {
    readonly kind: Algorithm['kind'];
    readonly words: string;
    /** What it admits at most, whatever happens. */
    readonly bound: string;
  };
  readonly onExceed: OnExceed;
  readonly maxWaitMs: number;
  readonly onStoreError: OnStoreError;
  readonly overrun: Overrun;
  readonly sharing: Sharing;
  /** Which of `overrun` and `sharing` are not what such a limit has by default. */
  readonly unusual: readonly ('overrun' | 'sharing')[];
  readonly weights: Weights | null;
  /** `headgate.yaml:12`. */
  readonly source: string;
  /** The whole definition as a sentence. */
  readonly words: string;
}

export interface StateFacts {
  readonly used: number;
  readonly reserved: number;
  readonly remaining: number;
  /** Until nothing counts any more, were nothing else to arrive. */
  readonly resetMs: number;
  readonly resetsAt: string;
}

/** What becomes of a request that a limit stops. */
export interface Consequence {
  readonly does: 'refuse' | 'queue' | 'degrade' | 'report' | 'nextTarget';
  /** Of the refusal, also where it comes only after a wait; null when there is none. */
  readonly status: number | null;
  readonly code: RefusalCode | null;
  readonly maxWaitMs: number | null;
  /** The model that serves instead. */
  readonly model: string | null;
  readonly words: string;
}

export interface ExplainedLimit extends LimitFacts {
  readonly state: StateFacts;
  /** What it says to requests of the size in question. */
  readonly outlook: {
    /** What one takes of it. */
    readonly needed: number;
    /** How many pass now, one after the other, none ending; null: it counts nothing of them. */
    readonly passing: number | null;
    readonly retry: Retry;
    readonly retryAfterMs: number | null;
  };
  readonly consequence: Consequence;
  /** How often it decided so, over all whom it binds, since this process started. */
  readonly decisions: {
    readonly refused: number;
    readonly queued: number;
    readonly degraded: number;
    readonly cut: number;
    readonly wouldRefuse: number;
  };
}

export interface CallExplanation {
  /** When the states were read. */
  readonly at: string;
  readonly configVersion: string;
  readonly key: {
    readonly id: string;
    readonly organization: string;
    readonly team: string | null;
    readonly user: string | null;
    readonly tier: string;
    readonly tierName: string;
    readonly revoked: boolean;
    readonly expiresAt: string | null;
  };
  readonly model: { readonly name: string; readonly targets: readonly string[]; readonly degradeTo: string | null };
  /** As it is counted, which is a hash where the name has unusual characters. */
  readonly endUser: string | null;
  /** The size in question: all of it certain, as if the output were capped to it. */
  readonly request: {
    readonly inputTokens: number;
    readonly outputTokens: number;
    /** At the dearest target with a known price, a decimal in dollars; null where no price is known. */
    readonly costUsd: string | null;
  };
  readonly limits: readonly ExplainedLimit[];
  /** The targets in the order in which they are tried; each with the limits that everybody shares. */
  readonly targets: readonly { readonly id: string; readonly limits: readonly ExplainedLimit[] }[];
  /** Why every such call is refused, whatever the limits say; null mostly. */
  readonly refused: { readonly status: number; readonly code: RefusalCode; readonly words: string } | null;
  readonly verdict: {
    readonly passesNow: boolean;
    /** The first limit to stop such requests; null: none does. */
    readonly limit: string | null;
    /** How many pass before it does. */
    readonly passing: number | null;
    readonly retry: Retry;
    readonly retryAfterMs: number | null;
    /** How long one that passes is held back by leaky buckets. */
    readonly startsInMs: number;
    readonly consequence: Consequence | null;
    readonly words: string;
  };
  /** From the tier of the key to the largest. */
  readonly upgrades: readonly { readonly tier: string; readonly name: string; readonly url: string | null }[];
}

/** A limit as it stood when it decided. */
export interface DecidedLimit {
  readonly id: string;
  readonly subject: string;
  readonly amount: number;
  readonly unit: Unit;
  readonly window: string;
  readonly source: string;
  readonly used: number;
  readonly reserved: number;
  readonly remaining: number;
  readonly retryAfterMs: number | null;
  readonly words: string;
}

export interface ExplainedAttempt {
  readonly number: number;
  readonly target: string;
  readonly outcome: Outcome;
  readonly status: number | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costUsd: string | null;
  readonly durationMs: number;
}

export interface RequestExplanation {
  readonly id: string;
  readonly at: string;
  /** Where it was found: `memory` has the limits as they stood then, `ledger` has not. */
  readonly foundIn: 'memory' | 'ledger';
  /** In sentences, the most important first. */
  readonly words: readonly string[];
  readonly key: string | null;
  readonly model: string | null;
  readonly degradedFrom: string | null;
  readonly endUser: string | null;
  readonly admitted: boolean;
  readonly status: number;
  readonly outcome: Outcome;
  readonly code: string | null;
  /** What the caller read, where it was refused and that is still known. */
  readonly message: string | null;
  readonly queueMs: number;
  /** The limit that refused or cut it. */
  readonly binding: (DecidedLimit & { readonly requested: number | null }) | null;
  /** What sent it to another model, or made it wait. */
  readonly heldBy: DecidedLimit | null;
  /** Every limit at that moment. */
  readonly states: readonly DecidedLimit[];
  readonly reported: readonly string[];
  readonly attempts: readonly ExplainedAttempt[];
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costUsd: string | null;
  readonly durationMs: number;
  readonly firstTokenMs: number | null;
}

/** Why there is no explanation. */
export interface NotExplained {
  readonly problem: 'unknown_key' | 'unknown_model' | 'model_not_allowed' | 'request_running' | 'unknown_request';
  readonly detail: string;
  /** The nearest name that exists. */
  readonly didYouMean: string | null;
}
