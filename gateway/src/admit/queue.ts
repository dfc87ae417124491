/** Calls that are held back: by a limit that lets them wait (`onExceed: queue`), or for their turn in a leaky bucket. */
import { consequenceOf, patienceOf } from '../policy/exceed.ts';
import type { Admission, Refusal } from '../stores/limit-store.ts';
import type { Asking } from './admit.ts';
import { refusalFor } from './refusal.ts';
import { type Ticket, ticketFor } from './ticket.ts';
import { Waiter } from './waiting.ts';

/** How soon to ask again for what another process may give back, in milliseconds. */
const ASK_AGAIN_MS = 100;
const NOTHING = { requests: 0, inputTokens: 0, outputTokens: 0, cost: 0, parts: null };

/**
 * Waits in the line of `counter` until the limits let the call pass, or no longer. `refusal`: what the store said; null when it
 * was not asked, since others wait already.
 */
export async function inLine(asking: Asking, counter: string, refusal: Refusal | null): Promise<Ticket> {
  const { limits, demand, admitting, setting } = asking;
  const { lines, clock } = setting;
  const since = clock.monotonic();
  const giveUpAt = since + (refusal === null ? patienceAt(asking, counter) : patienceOf(refusal.states));
  const waiter = new Waiter(clock, admitting.presence);
  const joined = lines.join(counter, waiter);
  let latest = refusal;
  try {
    for (let asked = 1; ; ) {
      const left = joined ? giveUpAt - clock.monotonic() : 0;
      const pause = lines.isHead(counter, waiter) ? pauseAfter(latest) : left;
      if (left > 0 && pause > 0) await waiter.sleep(Math.min(left, pause));
      const last = !joined || clock.monotonic() >= giveUpAt;
      if (!last && !lines.isHead(counter, waiter)) continue;
      const id = `${asking.id}~${asked++}`;
      const decision = await setting.limits.reserve(id, limits, demand);
      if (decision.admitted) return await inTurn({ ...asking, id, heldBy: asking.heldBy ?? latest }, decision, since);
      if (last || decision.unavailable === true || consequenceOf(decision.states) !== 'queue') {
        throw refusalFor(asking, decision, clock.monotonic() - since);
      }
      latest = decision;
    }
  } finally {
    lines.leave(counter, waiter);
  }
}

/** Waits for the turn that a leaky bucket gives, if one does. A call that is interrupted meanwhile gives back all it took. */
export async function inTurn(asking: Asking, admission: Admission, since: number): Promise<Ticket> {
  const { clock, limits } = asking.setting;
  if (admission.delayMs > 0) {
    try {
      await new Waiter(clock, asking.admitting.presence).sleep(admission.delayMs);
    } catch (interrupted) {
      await limits.settle(asking.id, NOTHING);
      throw interrupted;
    }
  }
  return ticketFor(asking, admission, clock.monotonic() - since);
}

/** How long the head of a line sleeps before it asks again. */
function pauseAfter(latest: Refusal | null): number {
  if (latest === null) return 0;
  const { bound, retryAfterMs, reserved } = latest.states[latest.binding]!;
  const mayComeBack = bound.limit.algorithm.kind === 'concurrency' || reserved > 0;
  return mayComeBack ? Math.min(retryAfterMs, ASK_AGAIN_MS) : retryAfterMs;
}

function patienceAt({ limits }: Asking, counter: string): number {
  return limits.find((bound) => bound.counter === counter)?.limit.maxWaitMs ?? 0;
}
