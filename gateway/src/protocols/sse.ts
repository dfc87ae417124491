/**
 * Server-sent events as bytes: whole events go on, the unfinished rest waits (WHATWG HTML, 9.2 Server-sent events).
 *
 * Nothing is decoded and no byte is changed. Forwarding only whole events keeps every write on an event boundary, so that a
 * comment or an error frame can be put between two events at any time, and a cut stream never shows half an event.
 * Lines end in LF or CRLF; no provider ends them in CR alone.
 *
 * Invariants
 *  (1) The concatenation of everything returned, plus what {@link EventCutter.rest} holds, equals everything pushed.
 *  (2) What is returned ends with a blank line, unless an event is larger than {@link EVENT_BYTES_MAX}: then it flows unframed.
 *  (3) The work is linear in the bytes pushed, however they are cut.
 */

/** An event larger than this is forwarded as it comes, so that one endless line cannot fill the memory. */
export const EVENT_BYTES_MAX = 768 * 1024;

/** A blank line is at most `\n\r\n`: two bytes of it may stand before the seam of two pieces. */
const SEAM_BYTES = 2;
const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

export class EventCutter {
  #waiting: Buffer = NOTHING;
  #used = 0;
  #midEvent = false;

  /** Whether the last bytes handed out stopped inside an event that is too large to wait for. */
  get midEvent(): boolean {
    return this.#midEvent;
  }

  /** Takes a piece of the stream; answers the bytes up to the last event boundary, or null when there is none yet. */
  push(piece: Buffer): Buffer | null {
    if (this.#used > 0) return this.#pushBehind(piece);
    const end = endsEvent(piece) ? piece.length : boundaryEnd(piece);
    if (end > 0) this.#midEvent = false;
    if (end === piece.length) return piece;
    this.#keep(end === 0 ? piece : piece.subarray(end));
    return end === 0 ? this.#overflow() : piece.subarray(0, end);
  }

  /** Takes back what waits for its boundary: the unfinished event at the end of a stream. */
  rest(): Buffer | null {
    return this.#used === 0 ? null : this.#take();
  }

  #pushBehind(piece: Buffer): Buffer | null {
    const seam = Math.min(SEAM_BYTES, this.#used);
    const joined = Buffer.concat([this.#waiting.subarray(this.#used - seam, this.#used), piece]);
    const end = boundaryEnd(joined) - seam;
    if (end <= 0) {
      this.#keep(piece);
      return this.#overflow();
    }
    this.#midEvent = false;
    this.#keep(piece.subarray(0, end));
    const events = this.#take();
    if (end < piece.length) this.#keep(piece.subarray(end));
    return events;
  }

  #overflow(): Buffer | null {
    if (this.#used <= EVENT_BYTES_MAX) return null;
    this.#midEvent = true;
    return this.#take();
  }

  #keep(bytes: Buffer): void {
    const needed = this.#used + bytes.length;
    if (needed > this.#waiting.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#waiting.length, 1024));
      this.#waiting.copy(larger, 0, 0, this.#used);
      this.#waiting = larger;
    }
    bytes.copy(this.#waiting, this.#used);
    this.#used = needed;
  }

  #take(): Buffer {
    const all = this.#waiting.subarray(0, this.#used);
    this.#waiting = NOTHING;
    this.#used = 0;
    return all;
  }
}

/** The last event of a stream with the blank line that it lacks: without one, clients discard it. */
export function ended(event: Buffer): Buffer {
  return Buffer.concat([event, Buffer.from(event.at(-1) === LF ? '\n' : '\n\n')]);
}

function endsEvent(piece: Buffer): boolean {
  const last = piece.length - 1;
  if (piece[last] !== LF) return false;
  return piece[last - 1] === LF || (piece[last - 1] === CR && piece[last - 2] === LF);
}

/** The offset behind the last blank line, or 0 when there is none. */
function boundaryEnd(piece: Buffer): number {
  const bare = piece.lastIndexOf('\n\n');
  const carriage = piece.lastIndexOf('\n\r\n');
  return Math.max(bare < 0 ? 0 : bare + 2, carriage < 0 ? 0 : carriage + 3);
}
