/** What holds of limits that several gateway processes share, whatever the store is. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import type { FleetStore } from '../fakes/fleet.ts';
import { type Fleet, startFleet } from '../fakes/fleet.ts';
import { callOf } from '../fakes/flood.ts';
import { needsRedis, type RedisServer } from '../fakes/redis-server.ts';
import { errorOf } from '../fakes/stand.ts';
import { assertExpiring, flood, settled, startHeldFleet } from './held-fleet.ts';

export interface Servers extends FleetStore, AsyncDisposable {
  readonly masters: readonly RedisServer[];
}

const REQUESTS = 400;
const CONCURRENCY = 12;
/** Input and output tokens of the worst case of a call, and what that costs at 1 and 2 USD for a million. */
const INPUT = 40;
const OUTPUT = 10;
const WORST_NANOS = (INPUT * 1 + OUTPUT * 2) * 1000;
const AFFORDED = 37;
/** One nano-dollar less than one call more would cost. */
const BUDGET = `${((AFFORDED + 1) * WORST_NANOS - 1) / 1e9} USD`;

/** Defines the tests. `start` starts empty servers, once, for the whole file. */
export function limitsAreExact(where: string, start: () => Promise<Servers>): void {
  let starting: Promise<Servers> | null = null;
  const emptied = async (): Promise<Servers> => {
    starting ??= start();
    const servers = await starting;
    for (const master of servers.masters) master.cli('flushall');
    return servers;
  };
  after(async () => await (await starting)?.[Symbol.asyncDispose]());

  test(
    `R5: ${where}: of 400 requests to 4 processes exactly 100 pass 100 requests per minute`,
    needsRedis,
    async () => {
      const store = await emptied();
      await using fleet = await startFleet({ store, limits: '[ { requests: 100/minute } ]' });
      const received = await Promise.all(Array.from({ length: REQUESTS }, () => fleet.ask()));
      const refused = received.filter(({ status }) => status === 429);
      assert.equal(fleet.provider.book.totals.requests, 100);
      assert.equal(refused.length, REQUESTS - 100);
      assert.deepEqual([...new Set(refused.map((each) => errorOf(each).headgate['code']))], ['rate_limit_exceeded']);
      assert.deepEqual(await settled(fleet), [100]);
      await assertExpiring(store.masters);
    },
  );

  test(
    `R5: ${where}: of 400 requests to 4 processes as many pass as their tokens fit, and not one more`,
    needsRedis,
    async () => {
      const store = await emptied();
      const limits = `[ { tokens: ${100 * (INPUT + OUTPUT) - 1}/minute } ]`;
      await using held = await startHeldFleet({ store, limits });
      await flood(held, REQUESTS, 99, 'rate_limit_exceeded', { body: callOf(INPUT + OUTPUT, INPUT) });
      const { promptTokens, generatedTokens } = held.fleet.provider.book.totals;
      assert.deepEqual(await settled(held.fleet), [promptTokens + generatedTokens]);
      await assertExpiring(store.masters);
    },
  );

  test(
    `R5: ${where}: 4 processes never let more than 12 run at the same time, and the 13th is refused`,
    needsRedis,
    async () => {
      const store = await emptied();
      const limits = `[ { concurrency: ${CONCURRENCY} } ]`;
      {
        await using held = await startHeldFleet({ store, limits });
        await flood(held, REQUESTS, CONCURRENCY, 'concurrency_exceeded');
        assert.deepEqual(await settled(held.fleet), [0]);
      }
      const running = await mostRunning(store, limits);
      assert.ok(running <= CONCURRENCY, `${running} ran at the same time`);
      await assertExpiring(store.masters);
    },
  );

  test(
    `R1: ${where}: of 500 requests to 3 processes as many reach the provider as the budget pays at worst, and the rest nothing`,
    needsRedis,
    async () => {
      const store = await emptied();
      const limits = `[ { cost: ${BUDGET}/month, per: organization } ]`;
      await using held = await startHeldFleet({ store, limits, processes: 3 });
      await flood(held, 500, AFFORDED, 'budget_exceeded', { body: callOf(INPUT + OUTPUT, INPUT) });
      await spentAsServed(held.fleet);
      await assertExpiring(store.masters);
    },
  );

  test(
    `R1: ${where}: the same for an end user nobody has seen before, by the limit for each end user`,
    needsRedis,
    async () => {
      const store = await emptied();
      const limits = `[ { cost: ${BUDGET}/month, per: endUser }, { cost: 1 USD/month, per: organization } ]`;
      await using held = await startHeldFleet({ store, limits, processes: 3 });
      const body = callOf(INPUT + OUTPUT, INPUT, { user: 'brand-new' });
      await flood(held, 500, AFFORDED, 'budget_exceeded', { body });
      await spentAsServed(held.fleet);
      await assertExpiring(store.masters);
    },
  );
}

/** What was reserved and not used is back, to the nano-dollar: only what the provider served is spent. */
async function spentAsServed(fleet: Fleet): Promise<void> {
  const { promptTokens, generatedTokens } = fleet.provider.book.totals;
  assert.deepEqual(await settled(fleet), [(promptTokens * 1 + generatedTokens * 2) * 1000]);
}

/** Sends to 4 gateways what they can take and more, for calls that end and begin at all times; how many the provider saw at once. */
async function mostRunning(store: Servers, limits: string): Promise<number> {
  let most = 0;
  let running = () => 0;
  const script = ({ number }: { readonly number: number }) => {
    most = Math.max(most, running() + 1);
    return { ttftMs: number % 7 };
  };
  await using fleet = await startFleet({ store, limits, simulated: { clock: systemClock, script } });
  running = () => fleet.provider.book.totals.open;
  let served = 0;
  let refused = 0;
  const caller = async (): Promise<void> => {
    while (served < REQUESTS || refused === 0) {
      const { status } = await fleet.ask();
      assert.ok(status === 200 || status === 429);
      if (status === 200) served++;
      else refused++;
    }
  };
  await Promise.all(Array.from({ length: 2 * CONCURRENCY }, caller));
  assert.ok(most > CONCURRENCY / 2, 'the limit was hardly reached');
  assert.deepEqual(await settled(fleet), [0]);
  return most;
}
