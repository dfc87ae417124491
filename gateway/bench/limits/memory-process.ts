/**
 * Decides in memory, flat out, for as long as it is told: the process that `limits-memory` measures.
 *
 *     node memory-process.ts <number of limits>
 */
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock, ulids } from '../../src/clock.ts';
import { MemoryLimitStore } from '../../src/stores/memory/index.ts';
import { serveOrders } from '../worker.ts';
import { ACTUAL, askers, DEMAND, KEYS, population } from './population.ts';

export interface MemoryOrder {
  readonly durationMs: number;
}

export interface MemoryResult {
  /** Reserves, each settled. */
  readonly decisions: number;
  readonly refused: number;
  readonly elapsedMs: number;
  readonly counters: number;
}

/** Requests in flight at any time. */
const IN_FLIGHT = 64;
/** Made ahead, because the gateway makes them for the request; used in turn, so that one is long settled when it comes again. */
const IDS = 2 ** 16;
/** Decisions in one turn of the loop. */
const IN_A_TURN = 500;

const limitsOf = population(Number(process.argv[2]));
const asker = askers(2 ** 20);
const { request } = ulids(systemClock);
const ids = Array.from({ length: IDS }, request);
const store = new MemoryLimitStore(systemClock);
const inFlight = Array.from({ length: IN_FLIGHT }, () => '');
let next = 0;

/** Reserves for one request, and settles the one that has been in flight longest. Says whether it was admitted. */
function decide(key: number): boolean {
  const place = next % IN_FLIGHT;
  const id = ids[next++ % IDS]!;
  const { admitted } = store.reserve(id, limitsOf[key]!, DEMAND);
  if (inFlight[place] !== '') store.settle(inFlight[place]!, ACTUAL);
  inFlight[place] = id;
  return admitted;
}

for (let key = 0; key < KEYS; key++) decide(key);

serveOrders(async ({ durationMs }: MemoryOrder): Promise<MemoryResult> => {
  const startedAt = performance.now();
  let decisions = 0;
  let refused = 0;
  while (performance.now() - startedAt < durationMs) {
    for (let nth = 0; nth < IN_A_TURN; nth++) {
      if (!decide(asker[next % asker.length]!)) refused++;
    }
    decisions += IN_A_TURN;
    await turn();
  }
  return { decisions, refused, elapsedMs: performance.now() - startedAt, counters: store.counters };
});
