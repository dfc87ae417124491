/** A limit store across a network that fails as told: each call meets the fault that is in force when it is made. */
import type { Clock } from '../../../src/clock.ts';
import type { Demand } from '../../../src/policy/demand.ts';
import type { Amounts, BoundLimit } from '../../../src/policy/limit.ts';
import type { Decision, LimitState, LimitStore } from '../../../src/stores/limit-store.ts';
import { MemoryLimitStore } from '../../../src/stores/memory/index.ts';
import { StoreUnavailable } from '../../../src/stores/store-unavailable.ts';

export type Fault =
  | { readonly kind: 'none' }
  /** Refused at once; nothing happens. */
  | { readonly kind: 'error' }
  /** Nothing happens, and nobody answers. */
  | { readonly kind: 'hang' }
  /** It happens, and the answer is lost, with or without an error. */
  | { readonly kind: 'lost'; readonly error: boolean }
  /** It happens at once, and is answered so much later. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** It happens so much later, and is answered then. */
  | { readonly kind: 'late'; readonly ms: number }
  /** It happens twice. */
  | { readonly kind: 'twice' };

export const NO_FAULT: Fault = { kind: 'none' };

export class FaultyStore implements LimitStore {
  fault: Fault = NO_FAULT;
  /** The calls that were made, in order: `settle r1`. */
  readonly calls: string[] = [];
  closed = false;
  readonly memory: MemoryLimitStore;
  readonly #clock: Clock;

  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.memory = new MemoryLimitStore(clock, { leaseMs });
  }

  reserve(id: string, limits: readonly BoundLimit[], demand: Demand): Promise<Decision> {
    return this.#meet(`reserve ${id}`, () => this.memory.reserve(id, limits, demand));
  }

  extend(id: string, step: number, more: Amounts): Promise<Decision | null> {
    return this.#meet(`extend ${id}`, () => this.memory.extend(id, step, more));
  }

  settle(id: string, actual: Amounts): Promise<boolean> {
    return this.#meet(`settle ${id}`, () => this.memory.settle(id, actual));
  }

  charge(id: string, limits: readonly BoundLimit[], actual: Amounts): Promise<boolean> {
    return this.#meet(`charge ${id}`, () => this.memory.charge(id, limits, actual));
  }

  renew(ids: readonly string[]): Promise<void> {
    return this.#meet(`renew ${ids.join(' ')}`, () => this.memory.renew(ids));
  }

  read(limits: readonly BoundLimit[]): Promise<readonly LimitState[]> {
    return this.#meet('read', () => this.memory.read(limits));
  }

  held(): Promise<number> {
    return this.#meet('held', () => this.memory.held());
  }

  probe(): Promise<void> {
    return this.#meet('probe', () => {});
  }

  close(): void {
    this.closed = true;
  }

  #meet<T>(call: string, run: () => T): Promise<T> {
    this.calls.push(call);
    const { fault } = this;
    switch (fault.kind) {
      case 'none':
        return Promise.resolve(run());
      case 'error':
        return Promise.reject(new StoreUnavailable('connection refused'));
      case 'hang':
        return new Promise(() => {});
      case 'lost':
        run();
        return fault.error ? Promise.reject(new StoreUnavailable('connection closed')) : new Promise(() => {});
      case 'slow': {
        const answer = run();
        return new Promise((resolve) => this.#clock.after(fault.ms, () => resolve(answer)));
      }
      case 'late':
        return new Promise((resolve) => this.#clock.after(fault.ms, () => resolve(run())));
      case 'twice':
        run();
        return Promise.resolve(run());
    }
  }
}
