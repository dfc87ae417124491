/** Tokens, as counted. */

/** Where a usage figure comes from. */
export type UsageSource =
  /** The provider reported the final figure. */
  | 'provider'
  /** The provider reported a running figure and the stream ended early. */
  | 'provider_partial'
  /** Counted from what was delivered. */
  | 'estimated'
  /** Nothing was used: no provider was reached, or none began to answer. */
  | 'none';

/**
 * Tokens of one attempt, in disjoint buckets: their sum is what the provider counts as total.
 * All are non-negative safe integers.
 */
export interface Usage {
  /** Input that was neither read from nor written to the provider's cache. */
  readonly inputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  /** Output but for reasoning. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  readonly source: UsageSource;
}
