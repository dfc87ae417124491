/**
 * The configuration as the journey sees it: compiled once, immutable, pinned at the start of every request.
 * Everything is resolved here (inheritance, references, counters, credentials), so that no request resolves anything.
 */
import type { Caller, Model, Provider, Tier } from '../call.ts';
import type { Limit } from '../policy/limit.ts';
import type { RedisSettings } from './redis-url.ts';

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

/** Where limits are counted. */
export type LimitStoreSettings = LeaseSettings & ({ readonly kind: 'memory' } | RemoteSettings);

export interface LeaseSettings {
  /** How long a reservation, or a place of a concurrency limit, is held without being renewed; at least 2000. */
  readonly leaseMs: number;
  /** What becomes of a reservation whose holder is gone: it counts as it was reserved, or not at all. */
  readonly orphans: 'charge' | 'refund';
}

export interface RemoteSettings extends RedisSettings {
  /** How long one answer may take before the store counts as away. */
  readonly timeoutMs: number;
  /** The certificates that vouch for it, in PEM; null: those of the system. */
  readonly ca: string | null;
}

/** A limit, with the models it is for as they are written: names and patterns; null: all. */
export interface ConfiguredLimit extends Limit {
  readonly models: readonly string[] | null;
}

export interface Snapshot {
  /** The first 12 hex digits of the SHA-256 of the file. */
  readonly version: string;
  readonly region: string;
  readonly listen: ListenSettings;
  readonly stores: {
    /** Holds a secret. */
    readonly limits: LimitStoreSettings;
    /** `path` is absolute. */
    readonly ledger: { readonly kind: 'sqlite'; readonly path: string };
  };
  readonly providers: ReadonlyMap<string, Provider>;
  readonly models: ReadonlyMap<string, Model>;
  readonly tiers: ReadonlyMap<string, Tier>;
  /** By the hash of the secret: the lower-case hex SHA-256. */
  readonly callersByHash: ReadonlyMap<string, Caller>;
  /** Every limit in force, for `check`, `explain` and the restore at start. */
  readonly limits: readonly ConfiguredLimit[];
  /** What deserves attention but does not stop the gateway, e.g. a model served without a known price. */
  readonly warnings: readonly string[];
}
