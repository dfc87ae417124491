/** What of a provider's errors a caller may read. */
import type { Provider } from '../call.ts';

const REDACTED = '[redacted]';

/**
 * An error without the credential that the provider was sent. Providers quote a key they refuse, and this one is not the
 * caller's to know (R19).
 */
export function redacted(error: Buffer, provider: Provider): Buffer {
  const secret = secretOf(provider);
  if (secret === '' || !error.includes(secret)) return error;
  return Buffer.from(redactedText(error.toString('utf8'), provider));
}

/** The same for an error's text. */
export function redactedText(error: string, provider: Provider): string {
  const secret = secretOf(provider);
  return secret === '' ? error : error.replaceAll(secret, REDACTED);
}

/** The credential without its scheme; empty when the provider is sent none. */
function secretOf({ credential }: Provider): string {
  const value = credential[1] ?? '';
  return value.slice(value.lastIndexOf(' ') + 1);
}
