/**
 * One HTTP request and its response, from the caller's side.
 *
 * Invariants
 *  (1) `left` becomes true once, when the connection closes before the response was finished; then the exchange is interrupted.
 *  (2) One phase at a time owns `onInterrupt`, and it is called at most once; setting it after the caller left does not call it:
 *      look at `left` first.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Refused } from '../errors.ts';

export class Exchange {
  /** The request id, on every answer as `x-request-id`. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Monotonic milliseconds, for durations. */
  readonly started: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  left = false;
  /** What stops the work in hand, for the reason given. */
  onInterrupt: ((reason: Refused) => void) | null = null;

  constructor(id: string, at: number, started: number, request: IncomingMessage, response: ServerResponse) {
    this.id = id;
    this.at = at;
    this.started = started;
    this.request = request;
    this.response = response;
    response.on('close', () => {
      if (response.writableFinished) return;
      this.left = true;
      this.interrupt(new Refused('client_closed'));
    });
  }

  /** The path without its query. Only the parsed path decides where a request goes; the Host header never does. */
  get path(): string {
    const url = this.request.url ?? '/';
    const query = url.indexOf('?');
    return query < 0 ? url : url.slice(0, query);
  }

  /** Stops the work in hand: a shutdown that cannot wait longer, or the caller's leaving. */
  interrupt(reason: Refused): void {
    const stop = this.onInterrupt;
    this.onInterrupt = null;
    stop?.(reason);
  }
}
