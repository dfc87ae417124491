/** What holds when a gateway is killed at any point of a call, whatever becomes of what it had reserved (R2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Amounts, amountOf, type Limit } from '../../src/policy/limit.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import type { LimitState, Orphans } from '../../src/stores/limit-store.ts';
import { type Fleet, startFleet } from '../fakes/fleet.ts';
import { callOf } from '../fakes/flood.ts';
import { needsRedis, type RedisServer, startRedis } from '../fakes/redis-server.ts';
import { sumFor } from '../fakes/scene.ts';
import { askGateway } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';
import { eventually } from './eventually.ts';
import { type Gate, type Side, startGate } from './gate.ts';
import { assertExpiring } from './held-fleet.ts';

const LEASE_MS = 2000;
/** What a busy machine may add to a lease. */
const BUSY_MS = 1000;
const LIMITS =
  '[ { requests: 10k/month }, { tokens: 10M/month, per: organization }, { outputTokens: 10M/minute }, { cost: 100 USD/month, per: organization }, { concurrency: 10 } ]';
/** Nano-dollars for a token. */
const PRICE = { input: 1000, output: 2000 };

/** The worst case of the victim's call, and what the provider makes of it. */
const INPUT = 50;
const CAP = 100;
const MADE = 40;
/** Output that a stream reserves at first, and asks for when four fifths of it are delivered. */
const STEP = 20;
const PACE_MS = 10;
const HELD_MS = 1_000_000;

const SURVIVOR = 0;
const VICTIM = 1;

/** What the provider does with a call that says so in `user`. */
const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  'at once': { tokens: MADE },
  paced: { tokens: MADE, paceMs: PACE_MS },
  held: { tokens: MADE, faults: [{ kind: 'delay', ms: HELD_MS }] },
};

interface Scene {
  readonly fleet: Fleet;
  /** Where the victim's commands to the store pass. */
  readonly gate: Gate;
  /** The provider's. */
  readonly clock: VirtualClock;
  /** The state of the limits before the victim's call. */
  readonly before: readonly LimitState[];
}

/** What the victim had in the store when it died: a reservation, what it settled, or nothing. */
type Left = { readonly reserved: Amounts } | { readonly settled: Amounts } | null;

interface KillPoint {
  readonly when: string;
  /** More members of the model. */
  readonly model?: string;
  /** Brings a call of the victim to this point and kills the victim there. */
  readonly kill: (scene: Scene) => Promise<Left>;
}

const POINTS: readonly KillPoint[] = [
  {
    when: 'before its reserve has reached the store, which it never does',
    async kill(scene) {
      await killedAt(scene, 'reserve', 'command');
      return null;
    },
  },
  {
    when: 'before its reserve has reached the store, which it then does',
    async kill(scene) {
      await killedAt(scene, 'reserve', 'command');
      scene.gate.deliver();
      return { reserved: await untilReserved(scene) };
    },
  },
  {
    when: 'after reserve, before it knows',
    async kill(scene) {
      await killedAt(scene, 'reserve', 'answer');
      return { reserved: reserved(CAP) };
    },
  },
  {
    when: 'after reserve, before the provider answers',
    async kill(scene) {
      call(scene, 'held');
      const left = await untilReserved(scene);
      await scene.fleet.kill(VICTIM);
      return { reserved: left };
    },
  },
  { when: 'mid-stream', kill: (scene) => killedInStream(scene, STEP - 3, isCap) },
  {
    when: 'mid-stream, after the stream has extended its reservation',
    model: `reserve: { output: ${STEP}, step: ${STEP} }`,
    kill: (scene) => killedInStream(scene, STEP - 3, (outputTokens) => outputTokens > STEP),
  },
  {
    when: 'before its settlement has reached the store, which it never does',
    async kill(scene) {
      await killedAt(scene, 'settle', 'command', true);
      return { reserved: reserved(CAP) };
    },
  },
  {
    when: 'before its settlement has reached the store, which it then does',
    async kill(scene) {
      await killedAt(scene, 'settle', 'command', true);
      scene.gate.deliver();
      return { settled: served(scene) };
    },
  },
  {
    when: 'during settle: the store has done it, and nobody knows',
    async kill(scene) {
      await killedAt(scene, 'settle', 'answer');
      return { settled: served(scene) };
    },
  },
];

/** Defines the tests for one policy. */
export function countersSurviveKills(orphans: Orphans): void {
  test(`R2: kill -9 of a gateway, where reservations of the dead are for ${orphans}`, {
    ...needsRedis,
    concurrency: 3,
  }, async (t) => {
    await Promise.all(
      POINTS.map(({ when, model = 'maxOutputTokens: 1k', kill }) =>
        t.test(`R2: killed ${when}: within one lease the counters are what is settled and what is live`, async () => {
          await using redis = await startRedis();
          await killed(redis, orphans, model, kill);
        }),
      ),
    );
  });
}

async function killed(redis: RedisServer, orphans: Orphans, model: string, kill: KillPoint['kill']): Promise<void> {
  await using gate = await startGate(redis);
  const clock = new VirtualClock();
  await using fleet = await startFleet({
    ...{ store: redis, ways: [undefined, gate], processes: 2, lease: `${LEASE_MS}ms`, orphans, model, limits: LIMITS },
    simulated: {
      clock,
      script: ({ body }) => BEHAVIOURS[(JSON.parse(body.toString()) as { user: string }).user],
    },
  });
  const { dataUrl } = fleet.gateways[SURVIVOR]!;
  const survivorAsks = (how: string) => askGateway(dataUrl, { body: callOf(INPUT + CAP, INPUT, { user: how }) });

  assert.equal((await survivorAsks('at once')).status, 200);
  const live = survivorAsks('held');
  await until('the live call is at the provider', () => fleet.provider.book.totals.open === 1);
  await eventually('the other call is settled', async () => (await fleet.states()).every(isLive));
  const before = await fleet.states();
  assert.ok(before.every(({ bound, used, reserved }) => reserved > 0 && (used > 0 || isConcurrency(bound.limit))));

  const left = await kill({ fleet, gate, clock, before });
  let after: readonly LimitState[] = [];
  const sweptMs = await eventually('nothing is reserved but by the survivor', async () => {
    after = await fleet.states();
    return after.every(({ reserved }, nth) => reserved === before[nth]!.reserved);
  });
  assert.ok(sweptMs <= LEASE_MS + BUSY_MS, `${sweptMs} ms`);
  const counted = before.map(({ bound }) => countedOf(left, orphans, bound.limit));
  assert.deepEqual(
    after.map(({ used }) => used),
    before.map(({ used }, nth) => used + counted[nth]!),
    'used',
  );

  clock.advance(HELD_MS);
  assert.equal((await live).status, 200);
  let end: readonly LimitState[] = [];
  await eventually('nothing is reserved', async () => {
    end = await fleet.states();
    return end.every(({ reserved }) => reserved === 0);
  });
  await assertExpiring([redis]);
  const rows = (await fleet.records())[SURVIVOR]!;
  assert.equal(rows.length, 2);
  assert.deepEqual(
    end.map(({ used }) => used),
    end.map((state, nth) => sumFor(rows, state) + counted[nth]!),
    'used by the ledger of the survivor',
  );
}

/** What the victim's call counts in the end. */
function countedOf(left: Left, orphans: Orphans, limit: Limit): number {
  if (left === null || isConcurrency(limit)) return 0;
  if ('settled' in left) return amountOf(limit, left.settled);
  return orphans === 'charge' ? amountOf(limit, left.reserved) : 0;
}

const isConcurrency = ({ dimension }: Limit): boolean => dimension === 'concurrency';

/** Exactly the worst case of one call is reserved, and something is used. */
function isLive({ bound: { limit }, used, reserved: held }: LimitState): boolean {
  return isConcurrency(limit) ? held === 1 : used > 0 && held > 0;
}

function amounts(inputTokens: number, outputTokens: number): Amounts {
  const cost = inputTokens * PRICE.input + outputTokens * PRICE.output;
  return { requests: 1, inputTokens, outputTokens, cost, parts: null };
}

function reserved(outputTokens: number): Amounts {
  return amounts(INPUT, outputTokens);
}

/** What the provider served last, which was the victim's call. */
function served({ fleet }: Scene): Amounts {
  const { promptTokens, generatedTokens } = fleet.provider.book.entries.at(-1)!;
  assert.equal(generatedTokens, MADE);
  return amounts(promptTokens, generatedTokens);
}

/** Sends a call to the victim; nobody will answer it. */
function call({ fleet }: Scene, how: string, stream = false): void {
  void askGateway(fleet.gateways[VICTIM]!.dataUrl, { body: callOf(INPUT + CAP, INPUT, { stream, user: how }) });
}

/** Kills the victim when this command of its call is caught. */
async function killedAt(scene: Scene, command: string, side: Side, stream = false): Promise<void> {
  const caught = scene.gate.catch(command, side);
  call(scene, 'at once', stream);
  await caught;
  await scene.fleet.kill(VICTIM);
}

/** Kills the victim when so many tokens of a stream have left the provider, and as much output is reserved as `holds` says. */
async function killedInStream(scene: Scene, tokens: number, holds: (outputTokens: number) => boolean): Promise<Left> {
  const { book } = scene.fleet.provider;
  const { requests } = book.totals;
  call(scene, 'paced', true);
  await until('the stream begins', () => book.totals.requests > requests && book.entries.at(-1)!.status === 200);
  scene.clock.advance(tokens * PACE_MS);
  await until('so much has left', () => book.entries.at(-1)!.writtenTokens >= tokens);
  const left = await untilReserved(scene, holds);
  await scene.fleet.kill(VICTIM);
  return { reserved: left };
}

const isCap = (outputTokens: number): boolean => outputTokens === CAP;

/** Waits until the victim's call is reserved with as much output as `holds` says; what is reserved for it. */
async function untilReserved({ fleet, before }: Scene, holds = isCap): Promise<Amounts> {
  const output = before.findIndex(({ bound }) => bound.limit.dimension === 'outputTokens');
  let its = reserved(0);
  await eventually('it is reserved', async () => {
    const states = await fleet.states();
    const taken = states.map((state, nth) => state.reserved - before[nth]!.reserved);
    its = reserved(taken[output]!);
    return holds(taken[output]!) && states.every(({ bound }, nth) => taken[nth] === amountOf(bound.limit, its));
  });
  return its;
}
