/**
 * Writes lines to a file descriptor in few, large writes, off the event loop.
 *
 * One write for each line, or for every few, would cost more than the line's request: a hand-over to libuv's threads takes as
 * long as parsing a small request does.
 *
 * Invariants
 *  (1) Lines are written in order, one write at a time.
 *  (2) At most {@link WAITING_CHARS_MAX} characters wait; lines beyond that are dropped and counted, and the count is written as
 *      a line of its own once there is room: a reader that stopped must not stop the gateway.
 */
import { write, writeSync } from 'node:fs';
import type { Clock, Timer } from '../clock.ts';

export const WAITING_CHARS_MAX = 16 * 1024 * 1024;
const GATHER_MS = 50;
const RETRY_MS = 100;

export class LineWriter {
  readonly #descriptor: number;
  readonly #clock: Clock;
  #waiting: string[] = [];
  #waitingChars = 0;
  #dropped = 0;
  #droppedTold = 0;
  #timer: Timer | null = null;
  /** What a write in flight has not yet written. */
  #writing: Buffer | null = null;

  constructor(descriptor: number, clock: Clock) {
    this.#descriptor = descriptor;
    this.#clock = clock;
  }

  /** Lines given up because too much was waiting. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes one line, with its line end. */
  write(line: string): void {
    if (this.#waitingChars + line.length > WAITING_CHARS_MAX) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingChars += line.length;
    if (this.#timer === null && this.#writing === null) this.#schedule(GATHER_MS);
  }

  /** Writes out everything now, waiting for it. What cannot be written is given up: this is the end of the process. */
  flushSync(): void {
    this.#clock.clear(this.#timer);
    this.#timer = null;
    // A write in flight may be repeated in part by this one; at the very end a line twice is better than a line lost.
    for (const bytes of [this.#writing, this.#take()]) {
      try {
        for (let at = 0; bytes !== null && at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at);
      } catch {
        return;
      }
    }
  }

  #schedule(delayMs: number): void {
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = null;
      this.#writing ??= this.#take();
      this.#writeOn();
    });
  }

  #take(): Buffer | null {
    if (this.#waiting.length === 0) return null;
    if (this.#dropped > this.#droppedTold) {
      this.#waiting.push(`{"level":40,"msg":"log lines dropped","dropped":${this.#dropped - this.#droppedTold}}\n`);
      this.#droppedTold = this.#dropped;
    }
    const bytes = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingChars = 0;
    return bytes;
  }

  #writeOn(): void {
    const bytes = this.#writing;
    if (bytes === null) return;
    write(this.#descriptor, bytes, 0, bytes.length, null, (error, written) => {
      this.#writing = written === bytes.length ? null : bytes.subarray(written);
      // A full pipe is emptied by its reader sooner or later; a closed one never, and then the bound holds.
      if (error !== null) this.#schedule(RETRY_MS);
      else if (this.#writing !== null) this.#writeOn();
      else if (this.#waiting.length > 0) this.#schedule(GATHER_MS);
    });
  }
}
