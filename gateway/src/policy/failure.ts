/** What a provider's status means: whose fault it is, what the caller is told, and whether another target may help. */

export type Verdict =
  /** A success, or an answer about the caller's own request: passed on as it is. */
  | { readonly kind: 'answer' }
  /** The target failed: tried elsewhere, and otherwise refused with this code. `mirror`: the provider's own body is passed on. */
  | {
      readonly kind: 'failure';
      readonly code:
        | 'upstream_auth'
        | 'upstream_error'
        | 'upstream_unavailable'
        | 'upstream_rate_limited'
        | 'timeout_headers';
      readonly mirror: boolean;
    };

const ANSWER: Verdict = { kind: 'answer' };

/** R30's table. 529 is what an overloaded provider sends outside the registry of status codes. */
export function verdictOf(status: number): Verdict {
  if (status === 401 || status === 402 || status === 403)
    return { kind: 'failure', code: 'upstream_auth', mirror: false };
  if (status === 408 || status === 504) return { kind: 'failure', code: 'timeout_headers', mirror: false };
  if (status === 429) return { kind: 'failure', code: 'upstream_rate_limited', mirror: true };
  if (status === 503 || status === 529) return { kind: 'failure', code: 'upstream_unavailable', mirror: false };
  // A redirect is never followed: it would carry the credential to a host that nobody configured.
  if (status >= 500 || (status >= 300 && status < 400))
    return { kind: 'failure', code: 'upstream_error', mirror: false };
  return ANSWER;
}

/** A `retry-after-ms` or `retry-after` header in milliseconds (RFC 9110, 10.2.3), or null. `nowMs`: milliseconds since the epoch. */
export function retryAfterMs(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  nowMs: number,
): number | null {
  const exact = Number(headers['retry-after-ms']);
  if (headers['retry-after-ms'] !== undefined && Number.isFinite(exact) && exact >= 0) return Math.ceil(exact);
  const value = headers['retry-after'];
  if (typeof value !== 'string') return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds) && seconds >= 0) return Math.ceil(seconds * 1000);
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}
