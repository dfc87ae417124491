/**
 * Token estimates without a tokenizer: a tokenizer costs 16 ms and more for a 500 KB prompt, on the event loop of everybody else.
 * The estimate is reserved, the provider's figure is settled.
 */
import { BYTES_PER_TOKEN } from './learnt.ts';

/** Tokens reserved for an image or a sound that is sent inline: its size in bytes says nothing of its size in tokens. */
export const INLINE_MEDIA_TOKENS = 1500;
const INLINE_MARK = ';base64,';
/** Bodies shorter than this cannot hold inline media worth finding. */
const INLINE_BYTES_MIN = 4096;

/** What a request body is made of. */
export interface BodyMeasure {
  /** Bytes but for inline media. */
  readonly textBytes: number;
  /** How many images or sounds it holds. */
  readonly media: number;
}

export function measureBody(body: Buffer): BodyMeasure {
  let textBytes = body.length;
  let media = 0;
  if (body.length >= INLINE_BYTES_MIN) {
    for (let at = body.indexOf(INLINE_MARK); at >= 0; at = body.indexOf(INLINE_MARK, at)) {
      const end = body.indexOf('"', at);
      if (end < 0) break;
      textBytes -= end - at;
      media++;
      at = end;
    }
  }
  return { textBytes, media };
}

/** Input tokens of a request, from its bytes and the thousandths of bytes that make a token of its model; at least 1. */
export function estimateInputTokens({ textBytes, media }: BodyMeasure, milliBytesPerToken: number): number {
  return Math.max(1, Math.ceil((textBytes * 1000) / milliBytesPerToken) + media * INLINE_MEDIA_TOKENS);
}

/** Output tokens of a body or stream whose provider reports none, from its bytes. */
export function estimateOutputTokens(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}
