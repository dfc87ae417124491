/**
 * The IETF pair `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): structured fields, lists of strings
 * with parameters. `q` quota, `w` window in seconds, `qu` unit, `r` remaining, `t` seconds until it is whole again.
 */
import type { Limit } from '../policy/limit.ts';
import type { LimitState } from '../stores/limit-store.ts';
import type { HeaderList } from './dialect.ts';

const UNITS = {
  requests: '',
  concurrency: ';qu="concurrent-requests"',
  tokens: ';qu="tokens"',
  inputTokens: ';qu="input-tokens"',
  outputTokens: ';qu="output-tokens"',
  weightedTokens: ';qu="weighted-tokens"',
  cost: ';qu="nano-usd"',
} as const;

/** A limit's policy never changes, so its text is made once. */
const POLICIES = new WeakMap<Limit, string>();

export function ietfHeaders(states: readonly LimitState[]): HeaderList {
  if (states.length === 0) return [];
  let policy = '';
  let live = '';
  for (const state of states) {
    const { limit } = state.bound;
    const joint = policy === '' ? '' : ', ';
    policy += joint + policyOf(limit);
    live += `${joint}"${limit.id}";r=${state.remaining};t=${Math.ceil(state.resetMs / 1000)}`;
  }
  return ['ratelimit-policy', policy, 'ratelimit', live];
}

function policyOf(limit: Limit): string {
  let text = POLICIES.get(limit);
  if (text === undefined) {
    const { algorithm } = limit;
    const window = 'windowMs' in algorithm ? `;w=${Math.ceil(algorithm.windowMs / 1000)}` : '';
    text = `"${limit.id}";q=${limit.amount}${window}${UNITS[limit.dimension]}`;
    POLICIES.set(limit, text);
  }
  return text;
}
