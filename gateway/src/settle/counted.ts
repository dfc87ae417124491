/** Which calls on the ledger are the use that a limit adds up. */
import type { Caller, Model } from '../call.ts';
import { calendarOf } from '../policy/calendar.ts';
import type { Level } from '../policy/limit.ts';
import type { Ledger, UseFilter } from '../stores/ledger-store.ts';
import type { CountedUse } from './restore.ts';

/**
 * Every calendar limit that can bind a call, once for each subject: those that the configuration names, and the end users that
 * the ledger knows of the running period.
 */
export async function* countedUses(
  callers: Iterable<Caller>,
  models: Iterable<Model>,
  ledger: Ledger,
  nowMs: number,
): AsyncGenerator<CountedUse> {
  const seen = new Set<string>();
  for (const caller of callers) {
    for (const { bound, models: only, owner } of caller.limits.counted()) {
      if (bound.limit.algorithm.kind !== 'calendar' || seen.has(bound.counter)) continue;
      seen.add(bound.counter);
      yield { bound, filter: useOf(caller, owner, only) };
    }
    yield* ofEndUsers(caller, ledger, nowMs, seen);
  }
  for (const { targets } of models) {
    for (const { id, limits } of targets) for (const bound of limits) yield { bound, filter: { target: id } };
  }
}

async function* ofEndUsers(
  caller: Caller,
  ledger: Ledger,
  nowMs: number,
  seen: Set<string>,
): AsyncGenerator<CountedUse> {
  const { organization, limits } = caller;
  for (const { rule, owner } of limits.countedByEndUser()) {
    const { limit, models } = rule;
    const { algorithm } = limit;
    // Keys of one organization share its end users.
    const place = `${limit.id} ${organization}`;
    if (algorithm.kind !== 'calendar' || seen.has(place)) continue;
    seen.add(place);
    const { start } = calendarOf(algorithm.period, algorithm.timeZone, algorithm.start).periodAt(nowMs);
    for (const endUser of await ledger.endUsersSince(organization, start)) {
      yield {
        bound: limits.bindEndUser(limit, endUser),
        filter: { organization, ...useOf(caller, owner, models), endUser },
      };
    }
  }
}

type UseOfCaller = Exclude<UseFilter, { target: string }>;

/** The use of the caller, or of what it belongs to. */
export function useOf(caller: Caller, owner: Level, only: ReadonlySet<string> | null): UseOfCaller {
  const models = only === null ? {} : { models: [...only] };
  const { organization, team, user, tier, keyId } = caller;
  switch (owner) {
    case 'key':
      return { key: keyId, ...models };
    case 'team':
      return { organization, ...(team !== null && { team }), ...models };
    case 'user':
      return { organization, ...(user !== null && { user }), ...models };
    case 'tier':
      return { tier: tier.id, ...models };
    case 'model':
      return models;
    default:
      return { organization, ...models };
  }
}
