/** A fleet whose provider answers nobody before it is told to, so that whatever is in flight is in flight together. */
import assert from 'node:assert/strict';
import { type Fleet, type FleetOptions, startFleet } from '../fakes/fleet.ts';
import type { Received } from '../fakes/http-client.ts';
import type { RedisServer } from '../fakes/redis-server.ts';
import { type Ask, errorOf } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';
import { eventually } from './eventually.ts';
import { expiriesIn } from './expiries.ts';

export interface HeldFleet {
  readonly fleet: Fleet;
  /** Lets the provider answer everybody who waits. */
  release(): void;
}

const HELD_MS = 1000;

export async function startHeldFleet(options: FleetOptions): Promise<HeldFleet & AsyncDisposable> {
  const clock = new VirtualClock();
  const fleet = await startFleet({
    ...options,
    simulated: { clock, script: () => ({ faults: [{ kind: 'delay', ms: HELD_MS }] }) },
  });
  return { fleet, release: () => clock.advance(HELD_MS), [Symbol.asyncDispose]: () => fleet[Symbol.asyncDispose]() };
}

/**
 * Sends `count` at once and proves that exactly `admitted` of them reach the provider and all others are refused by `code`, before
 * any of the admitted is over. Then lets these be answered, and answers all.
 */
export async function flood(
  { fleet, release }: HeldFleet,
  count: number,
  admitted: number,
  code: string,
  ask?: Ask,
): Promise<readonly Received[]> {
  const before = fleet.provider.book.totals.requests;
  const refused: Received[] = [];
  const all = Array.from({ length: count }, async () => {
    const received = await fleet.ask(ask);
    if (received.status !== 200) refused.push(received);
    return received;
  });
  const reached = () => fleet.provider.book.totals.requests - before;
  await until('everyone is decided', () => refused.length + reached() >= count);
  assert.deepEqual([reached(), refused.length], [admitted, count - admitted], 'reached the provider, refused');
  release();
  const received = await Promise.all(all);
  assert.equal(reached(), admitted);
  assert.deepEqual([...new Set(refused.map((each) => errorOf(each).headgate['code']))], [code]);
  assert.equal(received.filter(({ status }) => status === 200).length, admitted);
  return received;
}

/** Waits until nothing is reserved any more; answers what is used of each limit, in their order. */
export async function settled(fleet: Fleet): Promise<readonly number[]> {
  let used: readonly number[] = [];
  await eventually('everything is settled', async () => {
    const states = await fleet.states();
    used = states.map((state) => state.used);
    return states.every(({ reserved }) => reserved === 0);
  });
  return used;
}

/** No key without an expiry is in any of these servers, and there are keys. */
export async function assertExpiring(masters: readonly RedisServer[]): Promise<void> {
  const expiries = (await Promise.all(masters.map(expiriesIn))).flatMap((each) => [...each]);
  assert.ok(expiries.length > 0);
  assert.deepEqual(
    expiries.filter(([, expiresMs]) => expiresMs < 0),
    [],
    'keys without an expiry',
  );
}
