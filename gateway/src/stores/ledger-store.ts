/** The contract of the ledger: append-only, written behind the answer, never read on the path of a request. */
import type { RequestRecord } from '../call.ts';
import type { BoundLimit } from '../policy/limit.ts';

export interface Ledger {
  /**
   * Appends one call and its attempts. Returns at once; within {@link FLUSH_WITHIN_MS} the record survives a `kill -9` of
   * this process. Appending the same id twice writes it once. `line` is the record as one line of JSON, made once for log and ledger.
   */
  append(line: string): void;

  /** Use settled for a limit's subject by calls that arrived at or after `sinceMs`, in the limit's own unit. */
  usedSince(bound: BoundLimit, sinceMs: number): Promise<number>;

  /** Calls appended so far whose rows are not yet in the database. */
  pending(): number;

  /** Waits until everything appended is in the database. */
  flush(): Promise<void>;

  /** Reads records back, newest first, for tests, `explain` and reports. */
  recent(most: number): Promise<readonly RequestRecord[]>;

  close(): Promise<void>;
}

/** How long an appended record may exist only in this process, in milliseconds. */
export const FLUSH_WITHIN_MS = 5;
