/** Tokens, as counted. */
import type { Amounts } from './limit.ts';

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
 * Tokens of one attempt, in five disjoint buckets: their sum is what the provider counts as total. Audio tokens are among them.
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
  /** How many of the input tokens, in whichever bucket, are audio; in no sum. */
  readonly audioInputTokens: number;
  /** How many of the output tokens are audio; in no sum. */
  readonly audioOutputTokens: number;
  readonly source: UsageSource;
}

/** Nothing was used, and that is known. */
export const NO_USAGE: Usage = {
  inputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  audioInputTokens: 0,
  audioOutputTokens: 0,
  source: 'none',
};

/** All input tokens, as limits count them. */
export function inputOf(usage: Usage): number {
  return usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
}

/** All output tokens, as limits count them. */
export function outputOf(usage: Usage): number {
  return usage.outputTokens + usage.reasoningTokens;
}

/** What one request that used this takes of its limits. `cost` is nano-dollars; an unknown one takes none: nobody can say what. */
export function amountsOf(usage: Usage, cost: number | null): Amounts {
  return {
    requests: 1,
    inputTokens: inputOf(usage),
    outputTokens: outputOf(usage),
    cost: cost ?? 0,
    parts: {
      cacheRead: usage.cacheReadTokens,
      cacheWrite: usage.cacheWriteTokens,
      reasoning: usage.reasoningTokens,
      audioInput: usage.audioInputTokens,
      audioOutput: usage.audioOutputTokens,
    },
  };
}

/** How sure a sum is: as sure as its least sure part that used anything. */
const DOUBT: readonly UsageSource[] = ['none', 'provider', 'provider_partial', 'estimated'];

/** The use of several attempts together. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    audioInputTokens: a.audioInputTokens + b.audioInputTokens,
    audioOutputTokens: a.audioOutputTokens + b.audioOutputTokens,
    source: DOUBT.indexOf(a.source) > DOUBT.indexOf(b.source) ? a.source : b.source,
  };
}
