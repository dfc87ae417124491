/**
 * One HTTP request and its response, from the caller's side.
 *
 * Invariants
 *  (1) `left` becomes true once, when the connection closes before the response was finished; then the exchange is interrupted.
 *  (2) One phase at a time has `work` in hand, and it is interrupted at most once; work begun after the caller left is not: look at
 *      `left` first.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Refused } from '../errors.ts';

/** Work that can be stopped, for the reason given. */
export interface Interruptible {
  interrupt(reason: Refused): void;
}

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
  /** Its index in the server's list of what runs. */
  place = -1;
  /** What has to stop when the caller leaves or the gateway shuts down. */
  work: Interruptible | null = null;
  /** The reservations it holds, to be renewed while it runs. */
  readonly held: string[] = [];
  /** Why it was interrupted, once it was. */
  interrupted: Refused | null = null;

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
    this.interrupted ??= reason;
    const { work } = this;
    this.work = null;
    work?.interrupt(reason);
  }
}
