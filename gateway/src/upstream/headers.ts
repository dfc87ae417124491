/** Request headers for a provider, built from an allow-list and never copied (R20). */
import type { IncomingHttpHeaders } from 'node:http';
import type { Target } from '../call.ts';
import type { Dialect } from '../protocols/dialect.ts';

/** The flat header list for one target: exactly one credential, the target's own. */
export function upstreamHeaders(from: IncomingHttpHeaders, dialect: Dialect, target: Target): string[] {
  const headers = ['content-type', 'application/json', 'accept-encoding', 'identity', ...target.provider.credential];
  for (const name of dialect.forwardedHeaders) {
    const value = from[name];
    if (typeof value === 'string') headers.push(name, value);
  }
  return headers;
}

/** The provider's response headers that a caller may see, as a flat list; a stream brings its own content type. */
export function returnedHeaders(
  from: Readonly<Record<string, string | string[] | undefined>>,
  dialect: Dialect,
  streamed: boolean,
): string[] {
  const headers: string[] = [];
  for (const name in from) {
    const value = from[name];
    if (streamed && name === 'content-type') continue;
    if (typeof value === 'string' && dialect.returnedHeaders.has(name)) headers.push(name, value);
  }
  return headers;
}
