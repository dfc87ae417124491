/** Writes the body for one target: the caller's bytes with as few of them replaced as possible. */
import type { ByteSpan, Call, Target } from '../../call.ts';
import { capName } from './read.ts';

interface Splice extends ByteSpan {
  readonly text: string;
}

/**
 * The bytes to send to `target`. Replaced are the model, when the target knows it by another name, and what a policy injects: the
 * model's cap on output tokens and `stream_options.include_usage`. Everything else is the caller's, byte for byte.
 */
export function write(call: Call, target: Target): Buffer {
  const splices: Splice[] = [];
  const name = JSON.stringify(target.model);
  // What is written there and not the model's name: a call that a limit sent to another model still names the first one.
  if (call.body.toString('utf8', call.spans.model.start, call.spans.model.end) !== name)
    splices.push({ ...call.spans.model, text: name });
  capOutput(call, splices);
  if (asksForUsage(call, target)) splices.push(usageSplice(call));
  return splices.length === 0 ? call.body : splice(call.body, splices);
}

/** Whether Headgate asks this target for usage that the caller did not ask for. */
export function asksForUsage(call: Call, target: Target): boolean {
  return call.streamed && !call.wantsUsage && target.provider.includeUsage;
}

function capOutput(call: Call, splices: Splice[]): void {
  const most = call.outputCap;
  if (most === null || call.operation === 'embedding') return;
  const { open, outputCaps, nullCap } = call.spans;
  if (call.outputTokensAsked === null) {
    if (nullCap !== null) splices.push({ ...nullCap, text: String(most) });
    else splices.push({ start: open, end: open, text: `"${capName(call.operation)}":${most},` });
    return;
  }
  for (const span of outputCaps) {
    if (Number(call.body.toString('latin1', span.start, span.end)) > most)
      splices.push({ ...span, text: String(most) });
  }
}

function usageSplice(call: Call): Splice {
  const span = call.spans.streamOptions;
  if (span === null) {
    return { start: call.spans.open, end: call.spans.open, text: '"stream_options":{"include_usage":true},' };
  }
  const options = JSON.parse(call.body.toString('utf8', span.start, span.end)) as object | null;
  return { ...span, text: JSON.stringify({ ...options, include_usage: true }) };
}

function splice(body: Buffer, splices: readonly Splice[]): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (const { start, end, text } of splices.toSorted((a, b) => a.start - b.start)) {
    parts.push(body.subarray(from, start), Buffer.from(text));
    from = end;
  }
  parts.push(body.subarray(from));
  return Buffer.concat(parts);
}
