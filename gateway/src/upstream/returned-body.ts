/** What of a provider's complete answer a caller may read. */
import type { Provider } from '../call.ts';

const REDACTED = '[redacted]';

/**
 * The body as it came; of an error without the credential that the provider was sent. Providers quote a key they refuse, and
 * this one is not the caller's to know (R19).
 */
export function returnedBody(status: number, body: Buffer, provider: Provider): Buffer {
  const secret = secretOf(provider);
  if (status < 300 || secret === '' || !body.includes(secret)) return body;
  return Buffer.from(body.toString('utf8').replaceAll(secret, REDACTED));
}

/** The credential without its scheme; empty when the provider is sent none. */
function secretOf({ credential }: Provider): string {
  const value = credential[1] ?? '';
  return value.slice(value.lastIndexOf(' ') + 1);
}
