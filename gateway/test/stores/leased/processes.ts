/** Several gateway processes with parts of the limits of one store, under one clock. */
import { ulids } from '../../../src/clock.ts';
import type { BoundLimit } from '../../../src/policy/limit.ts';
import { LeasedLimitStore, type LeasedOptions } from '../../../src/stores/leased/index.ts';
import type { Decision } from '../../../src/stores/limit-store.ts';
import { MemoryLimitStore } from '../../../src/stores/memory/index.ts';
import { turns } from '../../fakes/until.ts';
import { VirtualClock } from '../../fakes/virtual-clock.ts';
import { amounts, demand } from '../../policy/limits.ts';
import { FarStore } from './far-store.ts';

export interface Process {
  readonly leased: LeasedLimitStore;
  readonly far: FarStore;
}

export class Processes {
  readonly clock = new VirtualClock();
  readonly memory: MemoryLimitStore;
  readonly all: readonly Process[];

  constructor(count: number, options: LeasedOptions = {}, distanceMs = 0) {
    this.memory = new MemoryLimitStore(this.clock, options);
    const ids = ulids(this.clock);
    this.all = Array.from({ length: count }, () => {
      const far = new FarStore(this.memory, this.clock, distanceMs);
      return { far, leased: new LeasedLimitStore(far, this.clock, ids, options) };
    });
  }

  /** How many calls of the store all processes made together. */
  get calls(): number {
    return this.all.reduce((sum, { far }) => sum + far.calls.length, 0);
  }

  /** Moves time a millisecond at a time where answers are on their way, and lets everybody act on them. */
  async advance(ms: number, stepMs = ms): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(left, stepMs));
      await turns(1);
    }
  }
}

/** One request of `amount` tokens that is over at once; whether it was let through. */
export async function request(
  { leased }: Process,
  id: string,
  limits: readonly BoundLimit[],
  amount = 1,
): Promise<Decision> {
  const decision = await leased.reserve(id, limits, demand(amount));
  if (decision.admitted) await leased.settle(id, amounts(amount));
  return decision;
}
