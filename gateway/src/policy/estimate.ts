/**
 * Token estimates without a tokenizer: a tokenizer costs 16 ms and more for a 500 KB prompt, on the event loop of everybody else.
 * The estimate is reserved, the provider's figure is settled.
 */

/** Bytes of JSON per input token; English text has a little over 4 bytes per token, other scripts in UTF-8 about 3. */
const BYTES_PER_TOKEN = 4;
/** Tokens reserved for an image or a sound that is sent inline: its size in bytes says nothing of its size in tokens. */
export const INLINE_MEDIA_TOKENS = 1500;
const INLINE_MARK = ';base64,';
/** Bodies shorter than this cannot hold inline media worth finding. */
const INLINE_BYTES_MIN = 4096;

/** Input tokens of a request body, from its bytes; at least 1. */
export function estimateInputTokens(body: Buffer): number {
  if (body.length < INLINE_BYTES_MIN) return Math.max(1, Math.ceil(body.length / BYTES_PER_TOKEN));
  let text = body.length;
  let media = 0;
  for (let at = body.indexOf(INLINE_MARK); at >= 0; at = body.indexOf(INLINE_MARK, at)) {
    const end = body.indexOf('"', at);
    if (end < 0) break;
    text -= end - at;
    media++;
    at = end;
  }
  return Math.ceil(text / BYTES_PER_TOKEN) + media * INLINE_MEDIA_TOKENS;
}

/** Output tokens of a body or stream whose provider reports none, from its bytes. */
export function estimateOutputTokens(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}
