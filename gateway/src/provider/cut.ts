/** Where a body is cut into writes. Networks cut anywhere; whoever reads a stream has to cope with every one of these. */
import type { Random } from '../clock.ts';

/**
 * - `whole`: one piece;
 * - `event`: after every blank line, so that a piece is one server-sent event (`\n\n`, `\r\n\r\n` or `\r\r`);
 * - `random`: pieces of 1 byte to 4 KiB, small ones as likely as large ones;
 * - `utf8`: inside every character of more than one byte, before each of its further bytes;
 * - `crlf`: between every `\r` and its `\n`;
 * - `{ bytes }`: every so many bytes; a positive integer.
 */
export type Cut = 'whole' | 'event' | 'random' | 'utf8' | 'crlf' | { readonly bytes: number };

const LF = 10;
const CR = 13;
/** The largest random piece is 2^12 bytes. */
const RANDOM_BITS_MAX = 12;

/** `bytes` in pieces: views, never empty, that joined are `bytes` again. `random` is drawn from for `random` only. */
export function cut(bytes: Buffer, how: Cut, random: Random): Buffer[] {
  if (bytes.length === 0) return [];
  if (how === 'whole') return [bytes];
  if (how === 'random') return slices(bytes, () => Math.ceil(2 ** (random.next() * RANDOM_BITS_MAX)));
  if (how === 'event') return splitBefore(bytes, (at) => endsEvent(bytes, at));
  if (how === 'utf8') return splitBefore(bytes, (at) => (bytes[at]! & 0xc0) === 0x80);
  if (how === 'crlf') return splitBefore(bytes, (at) => bytes[at] === LF && bytes[at - 1] === CR);
  return slices(bytes, () => how.bytes);
}

function slices(bytes: Buffer, size: () => number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + size());
    pieces.push(bytes.subarray(from, to));
    from = to;
  }
  return pieces;
}

function splitBefore(bytes: Buffer, isCut: (at: number) => boolean): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let at = 1; at < bytes.length; at++) {
    if (!isCut(at)) continue;
    pieces.push(bytes.subarray(from, at));
    from = at;
  }
  pieces.push(bytes.subarray(from));
  return pieces;
}

/** Whether a blank line ends just before `at`. */
function endsEvent(bytes: Buffer, at: number): boolean {
  const last = bytes[at - 1];
  const before = bytes[at - 2];
  if (last === LF) return before === LF || (before === CR && bytes[at - 3] === LF && bytes[at - 4] === CR);
  return last === CR && before === CR;
}
