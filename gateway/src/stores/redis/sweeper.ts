/**
 * Settles what processes that are gone left behind, and says how many processes there are.
 *
 * Every process sweeps the shards it uses, and those that no living process has seen for a while. Which shards there are, and which
 * processes, is kept in the store, in sets by when each was seen last.
 *
 * Invariants
 *  (1) A shard in which something is held is in the set of shards until everything in it is past its lease and swept.
 *  (2) Sweeping twice, or while the holder comes back, does no harm: the script that settles looks again.
 */
import type { Clock, Random, Timer } from '../../clock.ts';
import type { Orphans } from '../limit-store.ts';
import type { Connection } from './connection.ts';
import { clockOf, expiriesOf, keysOf, kindsOf, recordOf } from './holdings.ts';
import { ORPHANS, SEEN } from './lua/holders.ts';
import { SETTLE } from './lua/settle.ts';
import { type Scripts, script } from './scripts.ts';

export interface SweeperOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly process: string;
  readonly orphans: Orphans;
  /** How long a reservation lasts, and within what every process sweeps, in milliseconds. */
  readonly holdMs: number;
  readonly sweepMs: number;
  /** What a script takes for the time. */
  readonly time: () => number;
  /** Told of each reservation that was settled, and then when all was looked through. */
  readonly settled: (id: string) => void;
  readonly swept: () => void;
}

const REGISTRY = 'hg:{registry}:';
const AT_ONCE = 100;

const orphansScript = script(ORPHANS);
const seenScript = script(SEEN);
const settleScript = script(SETTLE);

export class Sweeper {
  processes = 1;
  readonly #connection: Connection;
  readonly #scripts: Scripts;
  readonly #options: SweeperOptions;
  /** The shards in which something may be held, as far as this process knows. */
  readonly #shards = new Set<string>();
  #first: Timer | null = null;
  #every: Timer | null = null;
  #sweeping: Promise<number> | null = null;

  constructor(connection: Connection, scripts: Scripts, options: SweeperOptions) {
    this.#connection = connection;
    this.#scripts = scripts;
    this.#options = options;
  }

  /** Sweeps from now on, not in step with the other processes. */
  start(): void {
    const { clock, random, sweepMs } = this.#options;
    this.#first = clock.after(Math.ceil(random.next() * sweepMs), () => {
      void this.sweep();
      this.#every = clock.every(sweepMs, () => void this.sweep());
    });
  }

  async stop(): Promise<void> {
    const { clock, process } = this.#options;
    clock.clear(this.#first);
    clock.clear(this.#every);
    await this.#sweeping;
    if (this.#connection.status !== 'ready') return;
    await this.#connection.zrem(`${REGISTRY}processes`, process).catch(() => {});
  }

  /** Something may be held under `prefix`. */
  note(prefix: string): void {
    this.#shards.add(prefix);
  }

  /** How many reservations are held in the shards that this process knows; one in several shards is one. */
  async held(): Promise<number> {
    const [only, ...others] = [...this.#shards].map(expiriesOf);
    if (only === undefined) return 0;
    if (others.length === 0) return await this.#connection.zcard(only);
    const ids = await Promise.all([only, ...others].map((expiries) => this.#connection.zrange(expiries, '0', '-1')));
    return new Set(ids.flat()).size;
  }

  /** Says how many reservations it settled; 0 when the store does not answer. One sweep runs at a time. */
  async sweep(): Promise<number> {
    this.#sweeping ??= this.#sweepAll().finally(() => {
      this.#sweeping = null;
    });
    return await this.#sweeping;
  }

  /** Says that this process lives. Throws the driver's error. */
  async beat(): Promise<void> {
    const { process, sweepMs } = this.#options;
    const [known] = await this.#seen('processes', [process], 3 * sweepMs, 3 * sweepMs);
    this.processes = Math.max(1, Number(known));
  }

  async #sweepAll(): Promise<number> {
    const { holdMs, sweepMs, swept } = this.#options;
    let settled = 0;
    try {
      await this.beat();
      const own = [...this.#shards];
      const [, ...lost] = await this.#seen('shards', own, 2 * sweepMs, holdMs + 4 * sweepMs);
      for (const prefix of new Set([...own, ...lost.map(String)])) settled += await this.#sweepShard(prefix);
      swept();
    } catch {
      // The store is away; the calls that need it say so.
    }
    return settled;
  }

  async #seen(
    what: string,
    members: readonly string[],
    lostMs: number,
    forgetMs: number,
  ): Promise<(string | number)[]> {
    const keys = [clockOf(REGISTRY), `${REGISTRY}${what}`];
    const args = [JSON.stringify([this.#options.time(), lostMs, forgetMs]), ...members];
    return (await this.#scripts.attempt(seenScript, { keys, args })) as (string | number)[];
  }

  async #sweepShard(prefix: string): Promise<number> {
    let settled = 0;
    for (;;) {
      const keys = [clockOf(prefix), expiriesOf(prefix)];
      const args = [JSON.stringify([this.#options.time(), AT_ONCE])];
      const [held, ...ids] = await this.#scripts.run<[number, ...string[]]>(orphansScript, { keys, args });
      // Nothing can be held since: a reserve that ran later is also answered later.
      if (held === 0) this.#shards.delete(prefix);
      if (ids.length === 0) return settled;
      const records = await this.#connection.mget(ids.map((id) => recordOf(prefix, id)));
      const counts = await Promise.all(ids.map((id, nth) => this.#settle(prefix, id, records[nth] ?? null)));
      counts.forEach((count, nth) => {
        if (count === 0) return;
        this.#options.settled(ids[nth]!);
        settled++;
      });
      if (ids.length < AT_ONCE) return settled;
    }
  }

  async #settle(prefix: string, id: string, record: string | null): Promise<number> {
    const names = namesIn(record);
    return await this.#scripts.run<number>(settleScript, {
      keys: keysOf(prefix, id, names),
      args: [JSON.stringify([this.#options.time(), 0]), id, kindsOf(names), this.#options.orphans],
    });
  }
}

/** The names of its counters are a record's first line. */
function namesIn(record: string | null): string[] {
  return record?.startsWith('[') ? JSON.parse(record.slice(0, record.indexOf('\n'))) : [];
}
