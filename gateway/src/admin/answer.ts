/** Answers of the admin API: JSON, or what is wrong as `application/problem+json` (RFC 9457). */
import { type ServerResponse, STATUS_CODES } from 'node:http';

export interface AdminAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What is wrong with a question, for programs and for people. */
export interface AdminProblem {
  readonly status: number;
  /** Stable, for programs: `unknown_key`. */
  readonly code: string;
  readonly detail: string;
  /** The nearest name that exists; null when none is near. */
  readonly didYouMean: string | null;
}

export function json(value: object): AdminAnswer {
  return { status: 200, type: 'application/json', body: JSON.stringify(value) };
}

export function problem({ status, ...rest }: AdminProblem): AdminAnswer {
  const body = JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, ...rest });
  return { status, type: 'application/problem+json', body };
}

export function send(response: ServerResponse, { status, type, body }: AdminAnswer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}
