/** Calls that are held back: by a limit that lets them wait (`onExceed: queue`), or for their turn in a leaky bucket. */
import { consequenceOf, patienceOf } from '../policy/exceed.ts';
import { NOTHING } from '../policy/limit.ts';
import type { Admission, Refusal } from '../stores/limit-store.ts';
import type { Asking } from './admit.ts';
import { type Ticket, ticketFor } from './ticket.ts';
import { Waiter } from './waiting.ts';

/** How soon to ask again for what another process may give back, in milliseconds. */
const ASK_AGAIN_MS = 100;

/** A call that waited and was not let through. */
export interface Waited {
  readonly refusal: Refusal;
  readonly queueMs: number;
}

/**
 * Waits in the line of `counter` until the limits let the call pass, or no longer. `refusal`: what the store said; null when it
 * was not asked, since others wait already.
 */
export async function inLine(asking: Asking, counter: string, refusal: Refusal | null): Promise<Ticket | Waited> {
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
        return { refusal: decision, queueMs: clock.monotonic() - since };
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
  const { presence } = asking.admitting;
  if (admission.delayMs > 0) {
    presence.held.push(asking.id);
    try {
      await new Waiter(clock, presence).sleep(admission.delayMs);
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
