/** identify: whose call it is, by the hash of the whole credential (R17). */
import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from '../call.ts';
import { Refused } from '../errors.ts';
import type { Dialect } from '../protocols/dialect.ts';

/** One value for missing, unknown, expired and revoked: what a stranger sees must not tell them apart (R19). */
const INVALID = new Refused('invalid_api_key');

/** @throws Refused `invalid_api_key`, the same in every case. */
export function identify(
  headers: IncomingHttpHeaders,
  dialect: Dialect,
  callersByHash: ReadonlyMap<string, Caller>,
  nowMs: number,
): Caller {
  const secret = dialect.credential(headers);
  if (secret === null) throw INVALID;
  const caller = callersByHash.get(hash('sha256', secret, 'hex'));
  if (caller === undefined || caller.revoked) throw INVALID;
  if (caller.expiresAt !== null && caller.expiresAt <= nowMs) throw INVALID;
  return caller;
}
