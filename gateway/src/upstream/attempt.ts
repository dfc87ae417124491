/** attempt: tries the planned targets in order, until the first byte of content. After that byte there is no other target. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Call, Target } from '../call.ts';
import { Refused } from '../errors.ts';
import { upstreamHeaders } from './headers.ts';
import { type Answer, Attempt, type AttemptSetting } from './one-attempt.ts';

/** The caller's side, as far as an attempt cares: whether it still waits, and what to stop when it does not. */
export interface Presence {
  /** Why nothing more is to be tried, once that is so. */
  readonly interrupted: Refused | null;
  /**
   * An object and not a function: a closure made in a loop of an async function hangs on a chain of contexts that V8 promotes
   * to its old space request after request, which costs a tenth of a request's CPU.
   */
  work: { interrupt(reason: Refused): void } | null;
}

/** What a target's own limits have to say, before it is asked and after it failed. */
export interface Holds {
  enter(target: Target, number: number): Promise<Refused | null>;
  leave(attempt: Attempt, number: number): Promise<void>;
}

export interface AttemptInput {
  readonly call: Call;
  /** Targets in the order in which they are tried; never empty. */
  readonly plan: readonly Target[];
  /** The caller's request headers, of which the allowed ones are passed on. */
  readonly headers: IncomingHttpHeaders;
  readonly presence: Presence;
  /** Every attempt is noted here as it starts, whatever becomes of it. */
  readonly attempts: Attempt[];
  /** Null where no target has limits of its own. */
  readonly holds: Holds | null;
}

/**
 * The first answer that stands, or the last target's own when it is about the caller's request, and the attempt it is from.
 * @throws Refused with the last target's failure when every target failed, with the shortest wait when every one is at its
 * limit; `client_closed` when the caller left.
 */
export async function attempt(
  input: AttemptInput,
  setting: AttemptSetting,
): Promise<{ answer: Answer; from: Attempt }> {
  const { call, plan, presence, holds } = input;
  let atLimit: Refused | null = null;
  let failure: Refused | null = null;
  let mirrored: { answer: Answer; from: Attempt } | null = null;
  for (const target of plan) {
    if (presence.interrupted !== null) throw presence.interrupted;
    if (holds !== null && target.limits.length > 0) {
      const refused = await holds.enter(target, input.attempts.length + 1);
      if (refused !== null) {
        atLimit = sooner(atLimit, refused);
        continue;
      }
    }
    const tried = new Attempt(call, target, setting);
    input.attempts.push(tried);
    presence.work = tried;
    const result = await tried.run(
      upstreamHeaders(input.headers, setting.dialect, target),
      setting.dialect.asksForUsage(call, target),
    );
    if (result.failure === null && result.answer !== null) return { answer: result.answer, from: tried };
    if (result.failure?.code === 'client_closed' || result.failure?.code === 'draining') throw result.failure;
    if (holds !== null) await holds.leave(tried, input.attempts.length);
    mirrored = result.answer === null ? null : { answer: result.answer, from: tried };
    failure = result.failure;
  }
  if (mirrored !== null) return mirrored;
  throw failure ?? atLimit ?? new Refused('upstream_unavailable');
}

function sooner(one: Refused | null, other: Refused): Refused {
  const wait = ({ detail }: Refused) => detail.retryAfterMs ?? Number.POSITIVE_INFINITY;
  return one !== null && wait(one) <= wait(other) ? one : other;
}
