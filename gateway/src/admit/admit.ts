/**
 * admit: may the call run now. Takes its worst case from every limit at once; or waits, or goes to another model, as the limits
 * that are over say; or refuses and takes nothing.
 */
import type { Call, Caller, Target } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Demand } from '../policy/demand.ts';
import { consequenceOf, refusingOf, stoodDownFrom } from '../policy/exceed.ts';
import type { Learnt } from '../policy/learnt.ts';
import type { BoundLimit } from '../policy/limit.ts';
import type { LimitStore, Refusal } from '../stores/limit-store.ts';
import { demandFor } from './demand.ts';
import { inLine, inTurn } from './queue.ts';
import { refusalFor } from './refusal.ts';
import { type Ticket, ticketFor } from './ticket.ts';
import type { Presence, WaitingLines } from './waiting.ts';

/** A call, and the targets that may serve it in the order in which they are tried. */
interface Routed {
  readonly call: Call;
  readonly plan: readonly Target[];
}

export interface Admitting extends Routed {
  readonly id: string;
  readonly caller: Caller;
  readonly presence: Presence;
  /** The same call to the model that serves in place of the one asked for; null where there is none. */
  readonly instead: (() => Routed | null) | null;
}

export interface AdmitSetting {
  readonly limits: LimitStore;
  readonly lines: WaitingLines;
  readonly learnt: Learnt;
  readonly clock: Clock;
}

/** What is asked of which limits, for whom. */
export interface Asking extends Routed {
  /** What the reservation is known by. An id that was refused is spent, so each further question has one of its own. */
  readonly id: string;
  readonly demand: Demand;
  readonly limits: readonly BoundLimit[];
  /** The model that was asked for, when a limit sent the call to another; else null. */
  readonly degradedFrom: string | null;
  /** Why it was sent to another model, or made to wait; null when nothing was in its way. */
  readonly heldBy: Refusal | null;
  readonly admitting: Admitting;
  readonly setting: AdmitSetting;
}

/** @throws Refused naming the limit that binds; `client_closed` or `draining` when the call was interrupted while it waited. */
export function admit(admitting: Admitting, setting: AdmitSetting): Promise<Ticket> {
  const { caller, call } = admitting;
  return ask(admitting, caller.limits.of(call.model.name, call.endUser), null, admitting, setting);
}

async function ask(
  { call, plan }: Routed,
  limits: readonly BoundLimit[],
  heldBy: Refusal | null,
  admitting: Admitting,
  setting: AdmitSetting,
): Promise<Ticket> {
  const demand = demandFor(call, plan, setting.learnt, limits);
  const degradedFrom = heldBy === null ? null : admitting.call.model.name;
  const id = degradedFrom === null ? admitting.id : `${admitting.id}~degraded`;
  const asking: Asking = { id, call, plan, demand, limits, degradedFrom, heldBy, admitting, setting };
  const waitedFor = setting.lines.among(limits);
  if (waitedFor !== null) return wait(asking, waitedFor, null);
  const answer = setting.limits.reserve(id, limits, demand);
  // A store in this process answers at once; waiting for it would cost a turn of the loop for nothing.
  const decision = answer instanceof Promise ? await answer : answer;
  if (!decision.admitted) return exceeded(asking, decision);
  return decision.delayMs === 0 ? ticketFor(asking, decision, 0) : inTurn(asking, decision, setting.clock.monotonic());
}

async function wait(asking: Asking, counter: string, refusal: Refusal | null): Promise<Ticket> {
  const waited = await inLine(asking, counter, refusal);
  return 'refusal' in waited ? exceeded(asking, waited.refusal, waited.queueMs) : waited;
}

/** What becomes of a call that is over its limits. `queueMs`: how long it has waited already; then it does not wait again. */
function exceeded(asking: Asking, refusal: Refusal, queueMs: number | null = null): Promise<Ticket> {
  const consequence = refusal.unavailable === true ? 'reject' : consequenceOf(refusal.states);
  if (consequence === 'degrade' && asking.degradedFrom === null) {
    const { admitting, setting } = asking;
    const instead = admitting.instead?.() ?? null;
    if (instead !== null) {
      const { caller, call } = admitting;
      const limits = caller.limits.of(instead.call.model.name, call.endUser).map(standDown);
      return ask(instead, limits, refusal, admitting, setting);
    }
  }
  if (consequence === 'queue' && queueMs === null) {
    return wait(asking, refusal.states[refusal.binding]!.bound.counter, refusal);
  }
  const binding = refusal.unavailable === true ? refusal.binding : refusingOf(refusal.states, refusal.binding);
  throw refusalFor(asking, { ...refusal, binding }, queueMs ?? 0);
}

function standDown(bound: BoundLimit): BoundLimit {
  return bound.limit.onExceed === 'degrade' ? { ...bound, limit: stoodDownFrom(bound.limit) } : bound;
}
