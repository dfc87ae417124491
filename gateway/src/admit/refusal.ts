/** Says which limit refused a call: tier, limit, window, for whom, when to come back, and the way out. */
import type { Call, Tier } from '../call.ts';
import { type RefusalCode, Refused } from '../errors.ts';
import { neededOf } from '../policy/demand.ts';
import type { BoundLimit, Limit } from '../policy/limit.ts';
import { shortDollars } from '../policy/money.ts';
import type { LimitState, Refusal } from '../stores/limit-store.ts';
import type { Asking } from './admit.ts';

/** A slot frees when some answer ends, which nobody knows; callers are asked to look again this soon. */
const SLOT_RETRY_MS = 1000;

/** What a refusal's words are made of. */
interface Words {
  readonly code: RefusalCode;
  readonly bound: BoundLimit;
  readonly call: Call;
  readonly tier: Tier;
  /** In the limit's own unit. */
  readonly requested: number;
  readonly waitMs: number;
  /** When the wait is over, in milliseconds since the epoch. */
  readonly until: number;
}

/** The refusal for the limit that binds, after the call was held back for `queueMs`. */
export function refusalFor({ call, demand, admitting, setting }: Asking, refusal: Refusal, queueMs = 0): Refused {
  const { states, binding } = refusal;
  const state = states[binding]!;
  if (refusal.unavailable === true)
    // What this process counts meanwhile is not how the limits stand.
    return new Refused('limits_unavailable', {
      retryAfterMs: state.retryAfterMs,
      limit: state.bound.limit.id,
      queueMs,
    });
  const { bound } = state;
  const requested = neededOf(bound.limit, demand);
  const code = codeFor(state);
  const waitMs = waitOf(state);
  const until = setting.clock.now() + waitMs;
  const words = { code, bound, call, tier: admitting.caller.tier, requested, waitMs, until };
  return new Refused(code, {
    message: `${headline(words)} ${wayOut(words)}`,
    binding: { ...state, retryAfterMs: waitMs },
    states,
    requested,
    queueMs,
    ...(Number.isFinite(waitMs) && { retryAfterMs: waitMs }),
  });
}

/** The wait that a limit in this state asks for, in milliseconds; Infinity when waiting is of no use. */
export function waitOf({ retryAfterMs, bound }: Pick<LimitState, 'retryAfterMs' | 'bound'>): number {
  const isPlace = bound.limit.algorithm.kind === 'concurrency' && Number.isFinite(retryAfterMs);
  return isPlace ? SLOT_RETRY_MS : retryAfterMs;
}

/** The code of a refusal by a limit in this state. */
export function codeFor({ retryAfterMs, bound }: Pick<LimitState, 'retryAfterMs' | 'bound'>): RefusalCode {
  if (!Number.isFinite(retryAfterMs)) return 'request_exceeds_limit';
  const { algorithm, dimension } = bound.limit;
  if (algorithm.kind === 'concurrency') return 'concurrency_exceeded';
  if (algorithm.kind !== 'calendar') return 'rate_limit_exceeded';
  return dimension === 'cost' ? 'budget_exceeded' : 'quota_exceeded';
}

function headline({ code, bound, call, tier, requested, until }: Words): string {
  const { limit } = bound;
  const cap = `${amountText(limit, limit.amount)}${limit.window === '' ? '' : ` per ${limit.window}`}`;
  const whose = whoseText(bound, call, tier);
  switch (code) {
    case 'request_exceeds_limit':
      return `This request asks for up to ${amountText(limit, requested)}, more than the ${tier.name} tier's limit of ${cap} for ${whose} can ever admit.`;
    case 'quota_exceeded':
      return `${tier.name} tier quota used up until ${instantText(until)}: ${cap} for ${whose}.`;
    case 'budget_exceeded':
      return `${tier.name} tier budget used up until ${instantText(until)}: ${cap} for ${whose}.`;
    default:
      return `${tier.name} tier limit exceeded: ${cap} for ${whose}.`;
  }
}

function whoseText({ limit, subject }: BoundLimit, call: Call, tier: Tier): string {
  // Of a subject's parts, such as acme.teams.search, callers know the last one by name.
  const name = subject.slice(subject.lastIndexOf('.') + 1);
  switch (limit.per) {
    case 'key':
      return 'this key';
    case 'endUser':
      return 'this end user';
    case 'model':
      return `model '${call.model.name}'`;
    case 'tier':
      return `everyone on the ${tier.name} tier`;
    default:
      return `${limit.per} '${name}'`;
  }
}

const UNITS = {
  tokens: 'tokens',
  inputTokens: 'input tokens',
  outputTokens: 'output tokens',
  weightedTokens: 'weighted tokens',
} as const;

function amountText({ dimension }: Limit, amount: number): string {
  const counted = amount.toLocaleString('en-US');
  const requests = amount === 1 ? 'request' : 'requests';
  switch (dimension) {
    case 'requests':
      return `${counted} ${requests}`;
    case 'concurrency':
      return `${counted} ${requests} at the same time`;
    case 'cost':
      return `${shortDollars(amount)} USD`;
    default:
      return `${counted} ${UNITS[dimension]}`;
  }
}

function wayOut({ code, bound, tier, waitMs }: Words): string {
  const upgrade = tier.upgrade === null ? '' : `upgrade to ${tier.upgrade.toName}`;
  if (code === 'request_exceeds_limit') {
    const { dimension } = bound.limit;
    const smaller = dimension === 'requests' ? '' : 'Shorten the prompt or lower the cap on output tokens';
    return sentence([smaller, upgrade], ', or ');
  }
  return sentence([`Retry in ${waitText(waitMs)}`, upgrade], ', or ');
}

function sentence(parts: readonly string[], joint: string): string {
  const said = parts.filter((part) => part !== '').join(joint);
  return said === '' ? 'Ask the operator for a larger limit.' : `${said[0]!.toUpperCase()}${said.slice(1)}.`;
}

/** To the second, rounded up. */
function instantText(ms: number): string {
  return new Date(Math.ceil(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/** A wait in words: `4 s`, `9 days`. */
export function waitText(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.ceil(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.ceil(hours / 24)} days`;
}
