/** Says which limit refused a call: tier, limit, window, for whom, when to come back, and the way out. */
import type { Tier } from '../call.ts';
import { type RefusalCode, Refused } from '../errors.ts';
import { type Amounts, amountOf, type BoundLimit, type Limit } from '../policy/limit.ts';
import { shortDollars } from '../policy/money.ts';
import type { LimitState } from '../stores/limit-store.ts';

/** A slot frees when some answer ends, which nobody knows; callers are asked to look again this soon. */
const SLOT_RETRY_MS = 1000;

/** The refusal for the limit at `binding`. */
export function refusalFor(states: readonly LimitState[], binding: number, amounts: Amounts, tier: Tier): Refused {
  const state = states[binding]!;
  const { limit } = state.bound;
  const requested = amountOf(limit.dimension, amounts);
  const code = codeFor(state);
  const waitMs = code === 'concurrency_exceeded' ? SLOT_RETRY_MS : state.retryAfterMs;
  return new Refused(code, {
    message: `${headline(code, limit, state.bound, requested, tier)} ${wayOut(code, limit, waitMs, tier)}`,
    binding: { ...state, retryAfterMs: waitMs },
    states,
    requested,
    ...(Number.isFinite(waitMs) && { retryAfterMs: waitMs }),
  });
}

function codeFor(state: LimitState): RefusalCode {
  if (!Number.isFinite(state.retryAfterMs)) return 'request_exceeds_limit';
  const { kind } = state.bound.limit.algorithm;
  if (kind === 'concurrency') return 'concurrency_exceeded';
  return kind === 'calendar' ? 'quota_exceeded' : 'rate_limit_exceeded';
}

const UNITS = { tokens: 'tokens', inputTokens: 'input tokens', outputTokens: 'output tokens' } as const;

function headline(code: RefusalCode, limit: Limit, bound: BoundLimit, requested: number, tier: Tier): string {
  const cap = `${amountText(limit, limit.amount)}${limit.window === '' ? '' : ` per ${limit.window}`}`;
  const whose = limit.per === 'key' ? 'this key' : `organization '${bound.subject}'`;
  if (code === 'request_exceeds_limit') {
    return `This request asks for up to ${amountText(limit, requested)}, more than the ${tier.name} tier's limit of ${cap} for ${whose} can ever admit.`;
  }
  if (code === 'quota_exceeded') return `${tier.name} tier quota used up: ${cap} for ${whose}.`;
  return `${tier.name} tier limit exceeded: ${cap} for ${whose}.`;
}

function amountText(limit: Limit, amount: number): string {
  const one = amount === 1;
  switch (limit.dimension) {
    case 'requests':
      return `${amount.toLocaleString('en-US')} ${one ? 'request' : 'requests'}`;
    case 'concurrency':
      return `${amount.toLocaleString('en-US')} ${one ? 'request' : 'requests'} at the same time`;
    case 'cost':
      return `${shortDollars(amount)} USD`;
    default:
      return `${amount.toLocaleString('en-US')} ${UNITS[limit.dimension]}`;
  }
}

function wayOut(code: RefusalCode, limit: Limit, waitMs: number, tier: Tier): string {
  const upgrade = tier.upgrade === null ? '' : `upgrade to ${tier.upgrade.toName}`;
  if (code === 'request_exceeds_limit') {
    const smaller = limit.dimension === 'requests' ? '' : 'Shorten the prompt or lower the cap on output tokens';
    return sentence([smaller, upgrade], ', or ');
  }
  return sentence([`Retry in ${waitText(waitMs)}`, upgrade], ', or ');
}

function sentence(parts: readonly string[], joint: string): string {
  const said = parts.filter((part) => part !== '').join(joint);
  return said === '' ? 'Ask the operator for a larger limit.' : `${said[0]!.toUpperCase()}${said.slice(1)}.`;
}

function waitText(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.ceil(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.ceil(hours / 24)} days`;
}
