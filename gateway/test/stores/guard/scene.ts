/** A guarded store whose remote fails as told, under a virtual clock. */
import assert from 'node:assert/strict';
import { BREAKER } from '../../../src/policy/breaker.ts';
import { CALENDAR_START, type Limit, type OnStoreError } from '../../../src/policy/limit.ts';
import { GuardedLimitStore, type GuardOptions } from '../../../src/stores/guard/index.ts';
import { turns } from '../../fakes/until.ts';
import { VirtualClock } from '../../fakes/virtual-clock.ts';
import { bind, limitOf } from '../../policy/limits.ts';
import { type Fault, FaultyStore, NO_FAULT } from './faulty-store.ts';

export const MINUTE = 60_000;
export const TIMEOUT_MS = 50;
/** Shorter than the time limit, so that an answer is heard before its time is up. */
const STEP_MS = TIMEOUT_MS / 2;
/** What recovery may take. */
export const RECOVERY_MS = 5000;
/** Longer than any outage here. */
export const LEASE_MS = 60 * MINUTE;

export interface Scene {
  readonly clock: VirtualClock;
  readonly remote: FaultyStore;
  readonly guard: GuardedLimitStore;
  readonly lines: { readonly level: string; readonly text: string; readonly fields: object }[];
  /** Moves time, and lets everybody act at each step on the way. */
  pass(ms: number): Promise<void>;
  /** Makes the remote fail until the guard has given it up. */
  lose(fault?: Fault): Promise<void>;
  /** Makes the remote work until everything is delivered, within RECOVERY_MS. */
  restore(): Promise<void>;
}

export function scene(over: Partial<GuardOptions> = {}): Scene {
  const clock = new VirtualClock();
  const remote = new FaultyStore(clock, LEASE_MS);
  const lines: Scene['lines'] = [];
  const guard = new GuardedLimitStore(remote, clock, {
    probe: () => remote.probe(),
    timeoutMs: TIMEOUT_MS,
    breaker: BREAKER,
    log: (level, text, fields) => lines.push({ level, text, fields }),
    processes: () => 4,
    mostPending: 1000,
    mostDenials: 100,
    closeWithinMs: 1000,
    leaseMs: LEASE_MS,
    ...over,
  });
  const pass = async (ms: number) => {
    await turns(1);
    for (let left = ms; left > 0; left -= STEP_MS) {
      clock.advance(Math.min(left, STEP_MS));
      await turns(1);
    }
  };
  const lose = async (fault: Fault = { kind: 'error' }) => {
    remote.fault = fault;
    for (let count = 0; count < BREAKER.failures; count++) {
      void guard.read([]);
      await pass(TIMEOUT_MS);
    }
    assert.equal(guard.degraded, 1);
  };
  const restore = async () => {
    remote.fault = NO_FAULT;
    await pass(RECOVERY_MS);
    assert.deepEqual([guard.degraded, guard.pending], [0, 0]);
  };
  return { clock, remote, guard, lines, pass, lose, restore };
}

/** A quota that nothing comes back of in a test. */
export function yearly(onStoreError: OnStoreError, over: Partial<Limit> = {}, amount = 1000) {
  const algorithm = { kind: 'calendar', period: 'year', timeZone: 'UTC', start: CALENDAR_START } as const;
  return bind(limitOf(amount, algorithm, { id: `yearly-${onStoreError}`, onStoreError, ...over }));
}

export function perMinute(amount: number, over: Partial<Limit> = {}) {
  return bind(limitOf(amount, { kind: 'slidingWindow', windowMs: MINUTE }, { id: 'per-minute', ...over }));
}
