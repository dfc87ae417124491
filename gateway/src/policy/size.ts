/** How large a call may become: what its caller states, what its model allows, and what has been learnt where neither says anything. */
import { type BodyMeasure, estimateInputTokens } from './estimate.ts';

/** What the caller says of the size of the answer. */
export interface Asked {
  /** The largest cap on output tokens that is stated; null: none. */
  readonly outputTokensAsked: number | null;
  /** How many answers are asked for; a cap counts for each. */
  readonly choices: number;
}

/** What the model says. */
export interface ModelSize {
  readonly expectedOutputTokens: number;
  readonly maxOutputTokens: number | null;
}

export interface Size {
  /** Input tokens, estimated from the bytes. */
  readonly inputTokens: number;
  /** The most output tokens it can produce, over all choices; where nobody stated a cap, what the model's answers may have. */
  readonly outputTokens: number;
  /** Whether {@link outputTokens} is a cap that the provider is told, and no guess. */
  readonly outputCapped: boolean;
  /** The cap on the output tokens of each choice that Headgate puts in, or lowers the caller's to; null: none. */
  readonly outputCap: number | null;
}

/** `generates` is false where the answer has no output tokens at all. */
export function sizeOf(
  { outputTokensAsked, choices }: Asked,
  { expectedOutputTokens, maxOutputTokens }: ModelSize,
  measure: BodyMeasure,
  milliBytesPerToken: number,
  generates: boolean,
): Size {
  const inputTokens = estimateInputTokens(measure, milliBytesPerToken);
  if (!generates) return { inputTokens, outputTokens: 0, outputCapped: true, outputCap: null };
  const asked = outputTokensAsked ?? maxOutputTokens ?? expectedOutputTokens;
  return {
    inputTokens,
    outputTokens: Math.min(asked, maxOutputTokens ?? asked) * choices,
    outputCapped: outputTokensAsked !== null || maxOutputTokens !== null,
    outputCap: maxOutputTokens,
  };
}
