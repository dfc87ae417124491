/** A store that is some time away: it counts its calls, answers late, and can fail. */
import type { Demand } from '../../../src/policy/demand.ts';
import type { Amounts, BoundLimit } from '../../../src/policy/limit.ts';
import type { Decision, LimitState, LockingStore } from '../../../src/stores/limit-store.ts';
import type { VirtualClock } from '../../fakes/virtual-clock.ts';

export class FarStore implements LockingStore {
  readonly calls: string[] = [];
  /** How long a call takes one way, in milliseconds. */
  distanceMs: number;
  /** Calls are lost on their way there, or their answers on the way back. */
  failing: 'there' | 'back' | null = null;
  readonly #store: LockingStore;
  readonly #clock: VirtualClock;

  constructor(store: LockingStore, clock: VirtualClock, distanceMs = 0) {
    this.#store = store;
    this.#clock = clock;
    this.distanceMs = distanceMs;
  }

  /** Decided when the answer is there, so that whoever hears of it knows when. */
  async reserve(id: string, limits: readonly BoundLimit[], demand: Demand): Promise<Decision> {
    await this.#travel(2 * this.distanceMs);
    return this.#call('reserve', () => this.#store.reserve(id, limits, demand), 0);
  }

  /** Decided when the answer is there, too. */
  async extend(id: string, step: number, more: Amounts): Promise<Decision | null> {
    await this.#travel(2 * this.distanceMs);
    return this.#call('extend', () => this.#store.extend(id, step, more), 0);
  }

  settle(id: string, actual: Amounts): Promise<boolean> {
    return this.#call('settle', () => this.#store.settle(id, actual));
  }

  charge(id: string, limits: readonly BoundLimit[], actual: Amounts): Promise<boolean> {
    return this.#call('charge', () => this.#store.charge(id, limits, actual));
  }

  renew(ids: readonly string[]): Promise<void> {
    return this.#call('renew', () => this.#store.renew(ids));
  }

  read(limits: readonly BoundLimit[], demand?: Demand): Promise<readonly LimitState[]> {
    return this.#call('read', () => this.#store.read(limits, demand));
  }

  held(): Promise<number> {
    return this.#call('held', () => this.#store.held());
  }

  lock(
    id: string,
    limits: readonly BoundLimit[],
    wanted: readonly number[],
    needed: readonly number[],
  ): Promise<Decision> {
    return this.#call('lock', () => this.#store.lock(id, limits, wanted, needed));
  }

  unlock(id: string, used: readonly number[]): Promise<boolean> {
    return this.#call('unlock', () => this.#store.unlock(id, used));
  }

  /** The store outlives the process that this is the way of. */
  close(): void {}

  async #call<Result>(
    name: string,
    run: () => Result | Promise<Result>,
    distanceMs = this.distanceMs,
  ): Promise<Result> {
    this.calls.push(name);
    const { failing } = this;
    await this.#travel(distanceMs);
    if (failing === 'there') throw new Error('the store cannot be reached');
    const result = await run();
    await this.#travel(distanceMs);
    if (failing === 'back') throw new Error('the connection was lost');
    return result;
  }

  #travel(distanceMs: number): Promise<void> | undefined {
    if (distanceMs === 0) return undefined;
    return new Promise((resolve) => this.#clock.after(distanceMs, resolve));
  }
}
