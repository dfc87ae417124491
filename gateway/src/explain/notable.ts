/**
 * The latest calls that a limit had something to say about, as they were when it did: what the ledger cannot tell any more.
 *
 * Invariants
 *  (1) At most {@link NOTABLE_MAX} calls, the newest ones: about 1 KB for one with four limits.
 *  (2) An ordinary call costs a few comparisons and keeps nothing. A notable one keeps what exists already; words are made when
 *      somebody asks.
 *  (3) Nothing kept here leads to a body, a connection or a credential.
 */
import type { RequestRecord } from '../call.ts';
import type { Refused } from '../errors.ts';
import type { LimitState, Refusal } from '../stores/limit-store.ts';

export const NOTABLE_MAX = 10_000;

/** How the limits decided on a call, as far as it got. */
export interface Decided {
  /** What admitted it; null when nothing did. */
  readonly ticket: { readonly states: readonly LimitState[]; readonly heldBy: Refusal | null } | null;
  /** Why there was no complete answer; null when there was one. */
  readonly refusal: Refused | null;
}

export interface Notable {
  readonly record: RequestRecord;
  /** Why there was no complete answer; null when there was one. */
  readonly refusal: Refused | null;
  /** Every limit as it stood at the decision: after the reserve when it was admitted. */
  readonly states: readonly LimitState[];
  /** The limit that sent it to another model or made it wait, as it stood then; null when none did. */
  readonly heldBy: LimitState | null;
}

const NO_STATES: readonly LimitState[] = [];

export class Notables {
  readonly #ring: Notable[] = [];
  #next = 0;

  get size(): number {
    return this.#ring.length;
  }

  /** Keeps the call if a limit refused, delayed, degraded or cut it, or would have refused it. */
  note(record: RequestRecord, decided: Decided): void {
    if (!isNotable(record)) return;
    const { ticket, refusal } = decided;
    this.#ring[this.#next] = {
      record,
      refusal,
      states: refusal?.detail.states ?? ticket?.states ?? NO_STATES,
      heldBy: heldBy(record, decided),
    };
    this.#next = (this.#next + 1) % NOTABLE_MAX;
  }

  find(id: string): Notable | null {
    return this.#ring.find(({ record }) => record.id === id) ?? null;
  }
}

/** The limit that sent an admitted call to another model, or made it wait: by being over, or for its turn in a leaky bucket. */
export function heldBy({ queueMs, degradedFrom }: RequestRecord, { ticket }: Decided): LimitState | null {
  if ((queueMs === 0 && degradedFrom === null) || ticket === null) return null;
  if (ticket.heldBy !== null) return ticket.heldBy.states[ticket.heldBy.binding]!;
  const leaky = ticket.states.filter(({ bound }) => bound.limit.algorithm.kind === 'leakyBucket');
  return leaky.toSorted((a, b) => b.resetMs - a.resetMs)[0] ?? null;
}

function isNotable({ limit, queueMs, degradedFrom, reported, code }: RequestRecord): boolean {
  return limit !== null || queueMs > 0 || degradedFrom !== null || reported.length > 0 || code === 'limits_unavailable';
}
