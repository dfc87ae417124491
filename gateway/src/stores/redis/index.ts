/**
 * Limits in a Redis or Valkey, counted together by every process that uses it.
 *
 * One script decides over all limits of a request at once; in a Cluster, where a script sees one shard, one for each shard.
 *
 * Invariants
 *  (1) A script looks at every counter before it changes any, and its first write fails if any would.
 *  (2) Time is the server's, never goes back, and stands still until the server's clock has caught up.
 *  (3) A reservation ends exactly once: its record goes with its settlement. Whoever finds it past its lease settles it.
 *  (4) In a Cluster, what a shard gave is given back when a later one refuses; what is not answered is settled by the lease.
 *  (5) No key is without an expiry.
 */
import type { Clock, Random } from '../../clock.ts';
import { type Demand, neededOf } from '../../policy/demand.ts';
import { type Amounts, amountOf, type BoundLimit } from '../../policy/limit.ts';
import { type Decision, LEASE_MS, type LimitState, type LockingStore, type Orphans } from '../limit-store.ts';
import { Over } from '../memory/over.ts';
import { StoreUnavailable } from '../store-unavailable.ts';
import { type Connection, connect, connectionOf, disconnect, type RedisAddress, unavailable } from './connection.ts';
import { counterOf, definitionOf, encode } from './definition.ts';
import {
  clockOf,
  expiriesOf,
  type Holding,
  Holdings,
  keysOf,
  kindsOf,
  leasesOf,
  recordOf,
  type Share,
  sharesOf,
} from './holdings.ts';
import { EXTEND } from './lua/extend.ts';
import { RENEW } from './lua/holders.ts';
import { RESERVE } from './lua/reserve.ts';
import { SETTLE } from './lua/settle.ts';
import {
  COUNTED,
  delayOf,
  fill,
  HOLDS_NOTHING,
  OVER,
  REFUSED,
  type Reply,
  refusal,
  STALE,
  statusOf,
  timeOf,
} from './reply.ts';
import { Scripts, script } from './scripts.ts';
import { assertSuitable, turnedAway } from './suitable.ts';
import { Sweeper } from './sweeper.ts';

export interface RedisOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Unlike that of every other process. */
  readonly process: string;
  /** Whose time counts: the server's; or `clock`'s, for tests and simulations in which it is not the real one. */
  readonly time?: 'server' | 'clock';
  /** How long a reservation is held without being renewed, in milliseconds, its sweeping included. */
  readonly leaseMs?: number;
  readonly orphans?: Orphans;
  /** What one round trip may take, in milliseconds. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 250;
/** The part of a lease within which every process has looked for what nobody renews. */
const SWEEP_SHARE = 8;
/** How often a period may change under a request before that is an error. */
const MOST_STALE = 4;
const RENEWED_AT_ONCE = 100;

const reserveScript = script(RESERVE, true);
const extendScript = script(EXTEND, true);
const settleScript = script(SETTLE);
const renewScript = script(RENEW);

type Mode = 'reserve' | 'lock' | 'charge' | 'look' | 'read';

/** What is asked of each limit, in its unit. */
interface Asked {
  readonly needed: readonly number[];
  readonly wanted: readonly number[];
}

export class RedisLimitStore implements LockingStore {
  /** How long a reservation is held before it is swept, in milliseconds. */
  readonly holdMs: number;
  readonly #options: RedisOptions;
  readonly #clock: Clock;
  readonly #inCluster: boolean;
  readonly #db: number;
  readonly #connection: Connection;
  readonly #scripts: Scripts;
  readonly #sweeper: Sweeper;
  readonly #holdings = new Holdings();
  readonly #over: Over;
  /** The server's time less this clock's, as last answered. */
  #aheadMs = 0;
  /** The latest time this process has seen. */
  #latestMs = 0;

  /** Connects to nothing yet. */
  constructor(address: RedisAddress, options: RedisOptions) {
    this.#options = options;
    this.#clock = options.clock;
    const leaseMs = options.leaseMs ?? LEASE_MS;
    const sweepMs = Math.ceil(leaseMs / SWEEP_SHARE);
    this.holdMs = leaseMs - sweepMs;
    this.#inCluster = address.mode === 'cluster';
    this.#db = address.db;
    this.#over = new Over(this.holdMs);
    this.#connection = connectionOf(address, options.timeoutMs ?? TIMEOUT_MS);
    this.#scripts = new Scripts(this.#connection);
    this.#sweeper = new Sweeper(this.#connection, this.#scripts, {
      ...options,
      orphans: options.orphans ?? 'charge',
      holdMs: this.holdMs,
      sweepMs,
      time: () => this.#time(),
      settled: (id) => this.#holdings.delete(id),
      swept: () => this.#holdings.forget(this.#clock.monotonic() - 2 * leaseMs),
    });
  }

  /**
   * Connects, and begins to sweep.
   * @throws StoreUnavailable when it cannot be reached now; it is tried again until {@link close}, and may be used meanwhile.
   * @throws RedisUnsuitable when it is too old, forbids what the limits need, or lets nobody in: waiting does not help.
   */
  async open(): Promise<void> {
    this.#sweeper.start();
    try {
      await connect(this.#connection);
    } catch (error) {
      throw turnedAway(error) ?? unavailable(error);
    }
    await assertSuitable(this.#connection, this.#sweeper, this.#db);
  }

  async reserve(id: string, limits: readonly BoundLimit[], demand: Demand): Promise<Decision> {
    const needed = limits.map(({ limit }) => neededOf(limit, demand));
    const same = demand.wanted === demand.needed;
    const wanted = same ? needed : limits.map(({ limit }) => amountOf(limit, demand.wanted));
    return await this.#take('reserve', id, limits, { needed, wanted });
  }

  async extend(id: string, step: number, more: Amounts): Promise<Decision | null> {
    const holding = this.#holdings.get(id);
    if (holding === undefined) return null;
    const { limits, shares } = holding;
    // A request keeps the place it has.
    const needed = limits.map(({ limit }) => (limit.dimension === 'concurrency' ? 0 : amountOf(limit, more)));
    const asked: Asked = { needed, wanted: needed };
    const states = new Array<LimitState>(limits.length);
    for (let nth = 0; nth < shares.length; nth++) {
      const share = shares[nth]!;
      const reply = await this.#extend(id, holding, share, step, asked);
      const status = statusOf(reply);
      if (status !== REFUSED && status !== HOLDS_NOTHING) {
        fill(states, reply, limits, share.places);
        continue;
      }
      await Promise.all(shares.slice(0, nth).map((taken) => this.#retract(id, taken, step)));
      if (status === HOLDS_NOTHING) return null;
      return await this.#refused(holding, states, share, reply, asked);
    }
    return { admitted: true, states, delayMs: 0 };
  }

  async settle(id: string, actual: Amounts): Promise<boolean> {
    return await this.#settleWith(id, (bound) => amountOf(bound.limit, actual));
  }

  async charge(id: string, limits: readonly BoundLimit[], actual: Amounts): Promise<boolean> {
    if (this.#isOver(id)) return false;
    const needed = limits.map(({ limit }) => (limit.dimension === 'concurrency' ? 0 : amountOf(limit, actual)));
    const shares = sharesOf(limits, this.#inCluster, this.#now());
    const replies = await Promise.all(
      shares.map((share) => this.#ask('charge', id, limits, share, { needed, wanted: needed })),
    );
    return replies.some((reply) => statusOf(reply) === COUNTED);
  }

  async lock(
    id: string,
    limits: readonly BoundLimit[],
    wanted: readonly number[],
    needed: readonly number[],
  ): Promise<Decision> {
    if (limits.some(({ limit }) => limit.dimension === 'concurrency')) {
      throw new RangeError('a place is held by a request, so it cannot be set aside');
    }
    return await this.#take('lock', id, limits, { needed, wanted });
  }

  async unlock(id: string, used: readonly number[]): Promise<boolean> {
    return await this.#settleWith(id, (_, index) => used[index]!);
  }

  async renew(ids: readonly string[]): Promise<void> {
    const seenAt = this.#clock.monotonic();
    const byPrefix = new Map<string, { keys: string[]; renewed: (readonly (string | number)[])[] }[]>();
    for (const id of ids) {
      const holding = this.#holdings.get(id);
      if (holding === undefined) continue;
      holding.seenAt = seenAt;
      for (const share of holding.shares) {
        this.#sweeper.note(share.prefix);
        const { keys, lasts } = leasesOf(holding, share);
        const batches = byPrefix.get(share.prefix) ?? [];
        byPrefix.set(share.prefix, batches);
        if ((batches.at(-1)?.renewed.length ?? RENEWED_AT_ONCE) >= RENEWED_AT_ONCE) {
          batches.push({ keys: [clockOf(share.prefix), expiriesOf(share.prefix)], renewed: [] });
        }
        const batch = batches.at(-1)!;
        batch.keys.push(recordOf(share.prefix, id), ...keys);
        batch.renewed.push([id, ...lasts]);
      }
    }
    await Promise.all(
      [...byPrefix.values()].flat().map(({ keys, renewed }) => {
        return this.#scripts.run(renewScript, { keys, args: [JSON.stringify([this.#time(), this.holdMs, renewed])] });
      }),
    );
  }

  async read(limits: readonly BoundLimit[], demand?: Demand): Promise<readonly LimitState[]> {
    const states = new Array<LimitState>(limits.length);
    const shares = sharesOf(limits, this.#inCluster, this.#now());
    const needed = demand === undefined ? null : limits.map(({ limit }) => neededOf(limit, demand));
    const asked = needed === null ? null : { needed, wanted: needed };
    const mode = asked === null ? 'read' : 'look';
    await Promise.all(shares.map((share) => this.#look(mode, limits, share, states, asked)));
    return states;
  }

  async held(): Promise<number> {
    try {
      return await this.#sweeper.held();
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** How many processes share the limits, as last known; at least 1. */
  processes(): number {
    return this.#sweeper.processes;
  }

  /** How many scripts were sent to the server. */
  get roundTrips(): number {
    return this.#scripts.sent;
  }

  /** Asks for a sign of life by a write, as every reservation is one. @throws StoreUnavailable when there is none. */
  async probe(): Promise<void> {
    try {
      await this.#sweeper.beat();
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Settles what nobody renewed in time, wherever a process that is gone may have left it. Says how many; never throws. */
  async sweep(): Promise<number> {
    return await this.#sweeper.sweep();
  }

  async close(): Promise<void> {
    await this.#sweeper.stop();
    disconnect(this.#connection);
  }

  async #take(mode: 'reserve' | 'lock', id: string, limits: readonly BoundLimit[], asked: Asked): Promise<Decision> {
    if (this.#isOver(id)) return { admitted: true, states: await this.read(limits), delayMs: 0 };
    let holding = this.#holdings.get(id);
    if (holding === undefined) {
      const shares = sharesOf(limits, this.#inCluster, this.#now());
      holding = { limits, shares, seenAt: this.#clock.monotonic() };
      this.#holdings.set(id, holding);
    }
    const { limits: held, shares } = holding;
    const states = new Array<LimitState>(limits.length);
    let delayMs = 0;
    let holds = false;
    for (let nth = 0; nth < shares.length; nth++) {
      const share = shares[nth]!;
      const reply = await this.#ask(mode, id, held, share, asked);
      if (statusOf(reply) === REFUSED) {
        if (nth > 0) await Promise.all(shares.slice(0, nth).map((taken) => this.#settleShare(id, taken, NOTHING_USED)));
        this.#holdings.delete(id);
        return await this.#refused(holding, states, share, reply, asked);
      }
      fill(states, reply, held, share.places);
      delayMs = Math.max(delayMs, delayOf(reply));
      holds ||= statusOf(reply) !== OVER;
      this.#sweeper.note(share.prefix);
    }
    if (!holds) this.#holdings.delete(id);
    return { admitted: true, states, delayMs };
  }

  /** The refusal by one share, with the states of the others as they are now. */
  async #refused(
    { limits, shares }: Holding,
    states: LimitState[],
    by: Share,
    reply: Reply,
    asked: Asked,
  ): Promise<Decision> {
    fill(states, reply, limits, by.places);
    if (shares.length > 1) {
      const others = shares.filter((share) => share !== by);
      await Promise.all(others.map((share) => this.#look('look', limits, share, states, asked)));
    }
    return refusal(states);
  }

  async #look(
    mode: 'look' | 'read',
    limits: readonly BoundLimit[],
    share: Share,
    states: LimitState[],
    asked: Asked | null,
  ): Promise<void> {
    // A copy: what was taken stays under the names it was taken by.
    fill(states, await this.#ask(mode, '', limits, { ...share }, asked ?? NOTHING_ASKED), limits, share.places);
  }

  /** One run of the reserve script; again when a period turned out to be another one. */
  async #ask(mode: Mode, id: string, limits: readonly BoundLimit[], share: Share, asked: Asked): Promise<Reply> {
    const { prefix, places } = share;
    for (let again = 0; again < MOST_STALE; again++) {
      const names = share.names.slice(0, places.length);
      const list = encodeAll(limits, places, asked, share.at);
      const reply = await this.#scripts.run<Reply>(reserveScript, {
        keys: keysOf(prefix, id, names),
        args: [`[${this.#time()},${this.holdMs}${list}]`, id, kindsOf(names), mode, JSON.stringify(names)],
      });
      this.#learn(reply);
      if (statusOf(reply) !== STALE) return reply;
      // The names and the periods that are sent are those of one instant, whatever other replies teach meanwhile.
      share.at = this.#now();
      share.names = places.map((place) => counterOf(limits[place]!, share.at));
    }
    throw new StoreUnavailable('the time of the server runs away');
  }

  async #extend(id: string, { limits }: Holding, share: Share, step: number, asked: Asked): Promise<Reply> {
    for (let again = 0; again < MOST_STALE; again++) {
      const now = this.#now();
      const counters = share.places.map((place, nth) => counterPlace(share, limits[place]!, nth, now));
      const list = encodeAll(limits, share.places, asked, now);
      const reply = await this.#scripts.run<Reply>(extendScript, {
        keys: keysOf(share.prefix, id, share.names),
        args: [
          `[${this.#time()},${step},${counters.length},${counters}${list}]`,
          id,
          kindsOf(share.names),
          'extend',
          JSON.stringify(share.names),
        ],
      });
      this.#learn(reply);
      if (statusOf(reply) !== STALE) return reply;
    }
    throw new StoreUnavailable('the time of the server runs away');
  }

  async #retract(id: string, { prefix, names }: Share, step: number): Promise<void> {
    await this.#scripts.run(extendScript, {
      keys: keysOf(prefix, id, names),
      args: [`[${this.#time()},${step},0]`, id, kindsOf(names), 'retract'],
    });
  }

  async #settleWith(id: string, actualOf: (bound: BoundLimit, index: number) => number): Promise<boolean> {
    const holding = this.#holdings.get(id);
    if (holding === undefined) {
      this.#over.add(id, this.#latest());
      return false;
    }
    const { limits, shares } = holding;
    const actuals = limits.map(actualOf);
    const settled = await Promise.all(shares.map((share) => this.#settleShare(id, share, actuals)));
    this.#holdings.delete(id);
    return settled.includes(1);
  }

  async #settleShare(id: string, { prefix, places, names }: Share, actuals: readonly number[]): Promise<number> {
    const list = places.map((place) => `,${actuals[place] ?? 0}`).join('');
    return await this.#scripts.run<number>(settleScript, {
      keys: keysOf(prefix, id, names),
      args: [`[${this.#time()},${this.holdMs}${list}]`, id, kindsOf(names), 'settle'],
    });
  }

  /** Whether the id was settled here without having been asked for. */
  #isOver(id: string): boolean {
    this.#over.forget(this.#latest());
    return this.#over.has(id);
  }

  #latest(): number {
    this.#latestMs = Math.max(this.#latestMs, this.#now());
    return this.#latestMs;
  }

  /** What a script takes for the time, in milliseconds; -1 for the server's own. */
  #time(): number {
    return this.#options.time === 'clock' ? this.#clock.now() : -1;
  }

  /** The server's time, as far as this process can know. */
  #now(): number {
    return this.#clock.now() + this.#aheadMs;
  }

  #learn(reply: Reply): void {
    this.#aheadMs = timeOf(reply) - this.#clock.now();
  }
}

const NOTHING_USED: readonly number[] = [];
const NOTHING_ASKED: Asked = { needed: [], wanted: [] };

function encodeAll(limits: readonly BoundLimit[], places: readonly number[], asked: Asked, now: number): string {
  let list = '';
  for (const place of places) {
    list += encode(limits[place]!.limit, asked.needed[place] ?? 0, asked.wanted[place] ?? 0, now);
  }
  return list;
}

/** Which of a share's counters, from 1, its `nth` limit counts on at `now`; a calendar's next period is added to them. */
function counterPlace(share: Share, bound: BoundLimit, nth: number, now: number): number {
  if (definitionOf(bound.limit).calendar === null) return nth + 1;
  const name = counterOf(bound, now);
  if (share.names[nth] === name) return nth + 1;
  const later = share.names.indexOf(name, share.places.length);
  if (later >= 0) return later + 1;
  share.names = [...share.names, name];
  return share.names.length;
}
