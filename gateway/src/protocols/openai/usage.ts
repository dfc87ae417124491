/**
 * OpenAI's usage object as disjoint buckets (https://platform.openai.com/docs/api-reference/chat/object, `usage`).
 * `prompt_tokens` includes what was read from the cache; `completion_tokens` includes reasoning, except at xAI, which counts
 * it beside (https://docs.x.ai/docs/guides/reasoning): there `total_tokens` is larger than prompt and completion together.
 * `audio_tokens` of either details are part of the prompt or of the completion.
 */
import type { Operation } from '../../call.ts';
import type { Usage } from '../../policy/usage.ts';
import type { BodyReading } from '../dialect.ts';
import { scanFields } from '../json-fields.ts';

const USAGE: ReadonlySet<string> = new Set(['usage']);

interface WireUsage {
  prompt_tokens?: unknown;
  completion_tokens?: unknown;
  total_tokens?: unknown;
  cached_tokens?: unknown;
  prompt_cache_hit_tokens?: unknown;
  prompt_tokens_details?: { cached_tokens?: unknown; cache_write_tokens?: unknown; audio_tokens?: unknown } | null;
  completion_tokens_details?: { reasoning_tokens?: unknown; audio_tokens?: unknown } | null;
}

/** The usage in a provider's object, or null when it reports no prompt tokens. */
export function usageOf(wire: unknown): Usage | null {
  if (typeof wire !== 'object' || wire === null) return null;
  const report = wire as WireUsage;
  const prompt = tokens(report.prompt_tokens);
  if (prompt === null) return null;
  const completion = tokens(report.completion_tokens) ?? 0;
  const cached =
    tokens(report.prompt_tokens_details?.cached_tokens) ??
    tokens(report.prompt_cache_hit_tokens) ??
    tokens(report.cached_tokens) ??
    0;
  const written = tokens(report.prompt_tokens_details?.cache_write_tokens) ?? 0;
  const reasoning = tokens(report.completion_tokens_details?.reasoning_tokens) ?? 0;
  const beside = tokens(report.total_tokens) === prompt + completion + reasoning && reasoning > 0;
  const cacheReadTokens = Math.min(cached, prompt);
  const cacheWriteTokens = Math.min(written, prompt - cacheReadTokens);
  const audioInput = tokens(report.prompt_tokens_details?.audio_tokens) ?? 0;
  const audioOutput = tokens(report.completion_tokens_details?.audio_tokens) ?? 0;
  const reasoningTokens = beside ? reasoning : Math.min(reasoning, completion);
  return {
    inputTokens: prompt - cacheReadTokens - cacheWriteTokens,
    cacheReadTokens,
    cacheWriteTokens,
    outputTokens: beside ? completion : completion - reasoningTokens,
    reasoningTokens,
    audioInputTokens: Math.min(audioInput, prompt),
    audioOutputTokens: Math.min(audioOutput, completion),
    source: 'provider',
  };
}

/** Reads a whole body: is it one JSON document, and what usage does it report. Decodes only the usage object. */
export function readBody(_operation: Operation, bytes: Buffer): BodyReading {
  const scan = scanFields(bytes.toString('latin1'), USAGE);
  if (!scan.ok) return readOddBody(bytes);
  const span = scan.fields.get('usage');
  if (span === undefined) return { complete: true, usage: null };
  try {
    return { complete: true, usage: usageOf(JSON.parse(bytes.toString('utf8', span.start, span.end))) };
  } catch {
    return { complete: false, usage: null };
  }
}

/** What a scan cannot settle (a byte order mark, usage reported twice) is for a JSON reader to say, as it is for the caller's. */
function readOddBody(bytes: Buffer): BodyReading {
  try {
    const body = JSON.parse(new TextDecoder().decode(bytes)) as { usage?: unknown } | null;
    return { complete: true, usage: usageOf(body?.usage) };
  } catch {
    return { complete: false, usage: null };
  }
}

function tokens(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
