/**
 * What this process has asked for under each id, so that a settlement finds the counters again.
 *
 * Invariants
 *  (1) An id is here from before its reserve is sent until its settlement is answered, or it is refused: a reserve whose answer
 *      got lost can be settled.
 *  (2) The names of a share are those of its record in the store, in the same order.
 */
import type { BoundLimit } from '../../policy/limit.ts';
import { ROOM, roomyMap } from '../roomy-map.ts';
import { counterOf, definitionOf } from './definition.ts';

/** The part of a request's limits that one script decides. */
export interface Share {
  /** What all its keys begin with, hash tag included. */
  readonly prefix: string;
  /** Which of the request's limits it has. */
  readonly places: readonly number[];
  /** The counters, one for each limit; behind them those of later calendar periods. */
  names: string[];
  /** The instant whose calendar periods the limits were first counted in. */
  at: number;
}

export interface Holding {
  readonly limits: readonly BoundLimit[];
  readonly shares: readonly Share[];
  /** Monotonic, in milliseconds. */
  seenAt: number;
}

export class Holdings {
  readonly #byId = roomyMap<Holding>();

  get(id: string): Holding | undefined {
    return this.#byId.get(id);
  }

  set(id: string, holding: Holding): void {
    this.#byId.set(id, holding);
  }

  delete(id: string): void {
    this.#byId.delete(id);
  }

  get size(): number {
    return this.#byId.size - ROOM;
  }

  /** Forgets what nobody renewed or settled since `before`; the store has swept it. */
  forget(before: number): void {
    for (const [id, holding] of this.#byId) {
      if (holding !== undefined && holding.seenAt < before) this.#byId.delete(id);
    }
  }
}

const EVERYTHING = 'hg:{all}:';

/** One share for all limits; or in a Cluster one for each shard, the organization's first: it refuses most often. */
export function sharesOf(limits: readonly BoundLimit[], inCluster: boolean, now: number): Share[] {
  if (!inCluster)
    return [
      share(
        EVERYTHING,
        limits,
        limits.map((_, place) => place),
        now,
      ),
    ];
  const shards = [...new Set(limits.map(({ shard }) => shard))].sort(byPrecedence);
  return shards.map((shard) => {
    const places = limits.flatMap((bound, place) => (bound.shard === shard ? [place] : []));
    return share(`hg:{${shard}}:`, limits, places, now);
  });
}

function share(prefix: string, limits: readonly BoundLimit[], places: readonly number[], now: number): Share {
  return { prefix, places, names: places.map((place) => counterOf(limits[place]!, now)), at: now };
}

function byPrecedence(one: string, other: string): number {
  const first = Number(other.startsWith('org:')) - Number(one.startsWith('org:'));
  return first !== 0 ? first : one < other ? -1 : 1;
}

/** The keys of a share's counting scripts, in the order that lua/counters.ts says. */
export function keysOf(prefix: string, id: string, names: readonly string[]): string[] {
  const keys = [clockOf(prefix), recordOf(prefix, id), expiriesOf(prefix)];
  for (const name of names) keys.push(prefix + name);
  for (const name of names) if (name.startsWith('s')) keys.push(`${prefix}slots:${name}`);
  return keys;
}

export function clockOf(prefix: string): string {
  return `${prefix}clock`;
}

export function recordOf(prefix: string, id: string): string {
  return `${prefix}record:${id}`;
}

export function expiriesOf(prefix: string): string {
  return `${prefix}expiries`;
}

/** A letter for each counter. */
export function kindsOf(names: readonly string[]): string {
  let kinds = '';
  for (const name of names) kinds += name.charAt(0);
  return kinds;
}

/** The sorted sets in which a share's holder has places, and how long each lasts unless renewed, in milliseconds. */
export function leasesOf({ limits }: Holding, { prefix, places, names }: Share): { keys: string[]; lasts: number[] } {
  const keys: string[] = [];
  const lasts: number[] = [];
  for (let nth = 0; nth < places.length; nth++) {
    const { kind, leaseMs } = definitionOf(limits[places[nth]!]!.limit);
    if (kind !== 'c') continue;
    keys.push(prefix + names[nth]!);
    lasts.push(leaseMs);
  }
  return { keys, lasts };
}
