/** The contract of the ledger: append-only, written behind the answer, never read on the path of a request. */
import type { RequestRecord } from '../call.ts';
import type { Amounts } from '../policy/limit.ts';

export interface Ledger {
  /**
   * Appends one call and its attempts. Returns at once; within {@link FLUSH_WITHIN_MS} the record survives a `kill -9` of
   * this process. Appending the same id twice writes it once. `line` is the record as one line of JSON, made once for log and ledger.
   */
  append(line: string): void;

  /**
   * What admitted calls that `filter` matches used together, those that arrived at or after `sinceMs` and before `untilMs`
   * (milliseconds since the epoch; `Infinity`: no end). A call, or an attempt where the filter has a target, is one request.
   * A cost that is unknown adds nothing. No figure is larger than the largest safe integer.
   */
  usedSince(filter: UseFilter, sinceMs: number, untilMs: number): Promise<Amounts>;

  /** The end users of `organization` for whom calls arrived at or after `sinceMs`, in no order. */
  endUsersSince(organization: string, sinceMs: number): Promise<readonly string[]>;

  /** Calls appended so far whose rows are not yet in the database. */
  pending(): number;

  /** Waits until everything appended is in the database. */
  flush(): Promise<void>;

  /** Reads records back, newest first, for tests and reports. */
  recent(most: number): Promise<readonly RequestRecord[]>;

  /** The record of one call by its request id; null when there is none. */
  find(id: string): Promise<RequestRecord | null>;

  close(): Promise<void>;
}

/** Whose use is added up: that which every given field matches. Without any field it is everybody's. */
export type UseFilter = UseOfCalls | UseOfTarget;

/** Calls, each with all its attempts. A team, user or end user is told apart within an organization only. */
export interface UseOfCalls extends UseOfModels {
  readonly organization?: string;
  readonly team?: string;
  readonly user?: string;
  /** Its public id. */
  readonly key?: string;
  readonly tier?: string;
  readonly endUser?: string;
  readonly target?: never;
}

/** Attempts at one target, whoever called. */
export interface UseOfTarget extends UseOfModels {
  readonly target: string;
}

interface UseOfModels {
  /** By the name that callers use. */
  readonly model?: string;
  /** Only these models, by the names that callers use. */
  readonly models?: readonly string[];
}

/** How long an appended record may exist only in this process, in milliseconds. */
export const FLUSH_WITHIN_MS = 5;
