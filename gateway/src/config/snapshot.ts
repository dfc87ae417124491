/**
 * The configuration as the journey sees it: compiled once, immutable, pinned at the start of every request.
 * Everything is resolved here (inheritance, references, counters, credentials), so that no request resolves anything.
 */
import type { Caller, Model, Provider, Tier } from '../call.ts';
import type { Limit } from '../policy/limit.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How requests are received. */
export interface ListenSettings {
  readonly data: Address;
  readonly admin: Address;
  /** The largest request body accepted, in bytes. */
  readonly bodyBytesMax: number;
  /** The most request-body bytes held at the same time over all requests; beyond it new bodies get a 503. */
  readonly inflightBytesMax: number;
  /** How long a request body may take to arrive. */
  readonly bodyTimeoutMs: number;
  /** How long a caller may read nothing while bytes wait for it, before it is dropped. */
  readonly writeStallMs: number;
  /** How often a silent stream is sent an SSE comment; null: never. */
  readonly pingMs: number | null;
  /** How long requests in flight may go on after SIGTERM. */
  readonly drainMs: number;
}

export interface Snapshot {
  /** The first 12 hex digits of the SHA-256 of the file. */
  readonly version: string;
  readonly region: string;
  readonly listen: ListenSettings;
  readonly stores: {
    readonly limits: { readonly kind: 'memory' };
    /** `path` is absolute. */
    readonly ledger: { readonly kind: 'sqlite'; readonly path: string };
  };
  readonly providers: ReadonlyMap<string, Provider>;
  readonly models: ReadonlyMap<string, Model>;
  readonly tiers: ReadonlyMap<string, Tier>;
  /** By the hash of the secret: the lower-case hex SHA-256. */
  readonly callersByHash: ReadonlyMap<string, Caller>;
  /** Every limit in force, for `check`, `explain` and the restore at start. */
  readonly limits: readonly Limit[];
  /** What deserves attention but does not stop the gateway, e.g. a model served without a known price. */
  readonly warnings: readonly string[];
}
