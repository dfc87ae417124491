/**
 * The parts of this process, and every call that makes or ends one.
 *
 * Stranding: of each counter a process holds, beyond what requests took, at most a quarter of what remained when it locked last
 * or, where the counter is hot, what its next 60 requests (a fifth of a second at most) take. It goes back PART_MS after its lock.
 * Only where requests in flight hold units of a lock, and less is free than they hold, does that lock wait for them, or for more
 * to be free.
 *
 * Invariants
 *  (1) One lock is under way for a part at a time.
 *  (2) What was used up is unlocked before more is locked, so that a refusal speaks of use and not of locks.
 *  (3) Every id the store was asked to lock is unlocked with one final figure, until the store has answered or must have
 *      expired it; what a call that failed left behind, too.
 */
import type { Clock } from '../../clock.ts';
import type { BoundLimit } from '../../policy/limit.ts';
import type { LockingStore } from '../limit-store.ts';
import { type Lock, NEVER, Part } from './part.ts';

/** How long a lock is kept before what is not in flight of it goes back, in milliseconds. */
export const PART_MS = 2000;
/** How often parts are looked at. */
export const SWEEP_MS = 250;

/** An unlock that has no answer yet. */
interface Ending {
  readonly used: number;
  readonly giveUpAt: number;
}

export class Parts {
  readonly #store: LockingStore;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #prefix: string;
  #locks = 0;
  readonly #byCounter = new Map<string, Part>();
  readonly #retired = new Set<Part>();
  readonly #failed = new Map<string, Ending>();

  /** @param prefix makes the ids of this process's locks its own. */
  constructor(store: LockingStore, clock: Clock, leaseMs: number, prefix: string) {
    this.#store = store;
    this.#clock = clock;
    this.#leaseMs = leaseMs;
    this.#prefix = prefix;
  }

  get isEmpty(): boolean {
    return this.#byCounter.size === 0 && this.#retired.size === 0 && this.#failed.size === 0;
  }

  peek({ counter, limit }: BoundLimit): Part | null {
    const part = this.#byCounter.get(counter);
    return part !== undefined && part.bound.limit === limit ? part : null;
  }

  /** The part to spend of now. Another definition of the limit, and another period, begin another one. */
  of(bound: BoundLimit, now: number): Part {
    const before = this.#byCounter.get(bound.counter);
    if (before === undefined) return this.#begin(new Part(bound));
    const same = before.bound.limit === bound.limit;
    if (same && now < before.spendUntil) return before;
    const part = this.#begin(same ? new Part(bound, before.pace) : new Part(bound));
    this.#retire(before);
    return part;
  }

  /** Locks at least `short` more, or learns why not. Whoever comes while a lock is under way waits for that one. */
  refill(part: Part, short: number): Promise<void> {
    part.flight ??= this.#lock(part, short, part.wanted(short, this.#clock.monotonic()), true);
    return part.flight;
  }

  /** Locks more in the background; where that fails, the next request that finds the part empty asks again. */
  refillAhead(part: Part): void {
    part.aheadBelow = NEVER;
    const wanted = part.aheadAt(this.#clock.monotonic());
    if (part.flight !== null || wanted < 1) return;
    part.flight = this.#lock(part, 1, wanted, false);
    part.flight.catch(ignore);
  }

  /** Ends every lock that what is in flight does not need. */
  release(part: Part): void {
    for (const lock of part.locks.slice()) {
      const report = part.reportOf(lock);
      if (report >= 0) this.#unlock(part, lock, report);
    }
    if (part.retired && part.isEmpty) this.#retired.delete(part);
  }

  /** Gives back what is due, and forgets the parts of counters that nobody asks for. */
  sweep(now: number): void {
    for (const [counter, part] of this.#byCounter) {
      this.#giveBack(part, now);
      if (part.isEmpty && part.pace.isIdleAt(now)) this.#byCounter.delete(counter);
    }
    for (const part of this.#retired) this.release(part);
    for (const [id, { used, giveUpAt }] of this.#failed) {
      this.#failed.delete(id);
      if (now < giveUpAt) this.#end(id, used, giveUpAt);
    }
  }

  /** The ids of all locks. */
  lockIds(): string[] {
    const ids: string[] = [];
    for (const part of this.#all()) for (const { id } of part.locks) ids.push(id);
    return ids;
  }

  /** The store was asked at `sentAt` to renew every lock there was, and did. */
  renewed(sentAt: number): void {
    for (const part of this.#all()) {
      for (const lock of part.locks) if (lock.at <= sentAt) lock.heldUntil = this.#heldUntil(sentAt);
      part.update();
    }
  }

  /** Unlocks everything; what is in flight counts as used, since nobody will settle it. */
  async close(): Promise<void> {
    const unlocks: (boolean | Promise<boolean>)[] = [];
    for (const part of this.#all()) {
      let used = part.used + part.inFlight;
      for (const [index, { id, units }] of part.locks.entries()) {
        const report = index === part.locks.length - 1 ? used : Math.min(used, units);
        used -= report;
        unlocks.push(this.#store.unlock(id, [report]));
      }
    }
    for (const [id, { used }] of this.#failed) unlocks.push(this.#store.unlock(id, [used]));
    this.#byCounter.clear();
    this.#retired.clear();
    this.#failed.clear();
    await Promise.allSettled(unlocks);
  }

  *#all(): Iterable<Part> {
    yield* this.#byCounter.values();
    yield* this.#retired;
  }

  #begin(part: Part): Part {
    this.#byCounter.set(part.bound.counter, part);
    return part;
  }

  #retire(part: Part): void {
    part.retired = true;
    this.#retired.add(part);
    this.release(part);
  }

  /** The store's lease is renewed from outside; half of it is left for renewals that are late. */
  #heldUntil(sentAt: number): number {
    return sentAt + this.#leaseMs / 2;
  }

  async #lock(part: Part, short: number, wanted: number, remember: boolean): Promise<void> {
    this.#reportUsedUp(part);
    const id = `${this.#prefix}.${++this.#locks}`;
    const sentAt = this.#clock.monotonic();
    // A limit that only reports would have to be asked for every request once it is over.
    const needed = part.bound.limit.onExceed === 'report' && part.tight ? wanted : short;
    try {
      const { admitted, states } = await this.#store.lock(id, [part.bound], [wanted], [needed]);
      if (admitted) {
        const added = part.add(id, states[0]!, short, sentAt, this.#heldUntil(sentAt));
        if (!added) this.#end(id, 0, sentAt + this.#leaseMs);
      } else if (remember) part.refuse(states[0]!, short, sentAt, this.#clock.monotonic());
    } catch (error) {
      this.#end(id, 0, sentAt + this.#leaseMs);
      throw error;
    } finally {
      part.flight = null;
      if (part.retired) this.release(part);
    }
  }

  #reportUsedUp(part: Part): void {
    for (const lock of part.locks.slice()) if (part.reportOf(lock) >= lock.units) this.#unlock(part, lock, lock.units);
  }

  /** Ends the locks that are PART_MS old by the next time, after moving what is in flight to a new lock where it has to be. */
  #giveBack(part: Part, now: number): void {
    for (const lock of part.locks.slice()) {
      if (now < lock.at + PART_MS - SWEEP_MS) return;
      const report = part.reportOf(lock);
      if (report >= 0) this.#unlock(part, lock, report);
      else if (part.flight === null && part.used + part.left > 0) {
        this.#move(part, lock, now).catch(ignore);
        return;
      }
    }
  }

  async #move(part: Part, lock: Lock, now: number): Promise<void> {
    const missing = lock.units - Math.min(part.used, lock.units) - part.left;
    if (part.refuses(missing, now)) return;
    part.flight = this.#lock(part, missing, missing, true);
    await part.flight;
    const report = part.locks.includes(lock) ? part.reportOf(lock) : -1;
    if (report >= 0) this.#unlock(part, lock, report);
  }

  #unlock(part: Part, lock: Lock, report: number): void {
    part.drop(lock, report);
    this.#end(lock.id, report, this.#clock.monotonic() + this.#leaseMs);
  }

  #end(id: string, used: number, giveUpAt: number): void {
    const answer = this.#store.unlock(id, [used]);
    if (answer instanceof Promise) answer.catch(() => this.#failed.set(id, { used, giveUpAt }));
  }
}

/** Whoever needs what was asked for in the background asks again, and hears of it then. */
function ignore(): void {}
