import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, systemRandom } from '../../src/clock.ts';
import type { Entry } from '../../src/provider/book.ts';
import { seeded } from '../../src/provider/seeded.ts';
import { type Fleet, startFleet } from '../fakes/fleet.ts';
import { TEST_KEY } from '../fakes/gateway.ts';
import { type Received, type SendOptions, send } from '../fakes/http-client.ts';
import { needsRedis, startRedis } from '../fakes/redis-server.ts';
import { CHAT, errorOf } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';
import { eventually } from './eventually.ts';
import { assertExpiring } from './held-fleet.ts';

const REQUESTS = 10_000;
const CALLERS = 100;
const PLACES = 64;
const LEASE_MS = 2000;
/** What a busy machine may add to a lease. */
const BUSY_MS = 1000;
const ABORTED = 0.3;
const HELD_MS = 1000;

/** How many of these the provider served at the same time, at most. */
function mostAtOnce(entries: readonly Entry[]): number {
  const events = entries.flatMap(({ startedAt, endedAt }) => [
    { at: startedAt, more: 1 },
    { at: endedAt!, more: -1 },
  ]);
  // What ends when another one begins made room for it.
  events.sort((a, b) => a.at - b.at || a.more - b.more);
  let now = 0;
  return events.reduce((most, { more }) => {
    now += more;
    return Math.max(most, now);
  }, 0);
}

/** Fills every place with calls that the provider holds, and proves that no gateway lets one more in before one of them is over. */
async function oneMoreIsRefused(fleet: Fleet, clock: VirtualClock): Promise<void> {
  const { book } = fleet.provider;
  const body = { ...CHAT, user: 'held' };
  const held = Array.from({ length: PLACES }, () => fleet.ask({ body }));
  await until('every place is taken', () => book.totals.open === PLACES);
  for (let more = 0; more < 2 * fleet.gateways.length; more++) {
    const refused = await fleet.ask({ body });
    assert.deepEqual([refused.status, errorOf(refused).headgate['code']], [429, 'concurrency_exceeded']);
  }
  assert.equal(book.totals.open, PLACES);
  clock.advance(HELD_MS);
  assert.ok((await Promise.all(held)).every(({ status }) => status === 200));
  await eventually('one more passes', async () => (await fleet.ask()).status === 200);
}

test(
  'R13: 10,000 requests to 3 processes, many aborted, one process killed and replaced: 0 places are held within one lease, and one more than 64 never runs',
  needsRedis,
  async (t) => {
    const seed = Number(process.env['SEED'] ?? Math.floor(systemRandom.next() * 2 ** 31));
    t.diagnostic(`seed ${seed}`);
    const random = seeded(seed);
    await using redis = await startRedis();
    const clock = new VirtualClock();
    await using fleet = await startFleet({
      ...{ store: redis, processes: 3, lease: `${LEASE_MS}ms` },
      limits: `[ { concurrency: ${PLACES} }, { tokens: 100M/month, per: organization }, { requests: 1M/minute } ]`,
      simulated: {
        clock: {
          ...systemClock,
          after: (ms, run) => (ms === HELD_MS ? clock.after(ms, run) : systemClock.after(ms, run)),
        },
        keepRequests: false,
        script: ({ body }) =>
          body.includes('"held"')
            ? { faults: [{ kind: 'delay', ms: HELD_MS }] }
            : { ttftMs: Math.floor(random.next() * 10), paceMs: Math.floor(random.next() * 3) },
      },
    });
    await oneMoreIsRefused(fleet, clock);

    const ended = new Map<Received['closed'], number>();
    let sent = 0;
    let gone = -1;
    const caller = async (): Promise<void> => {
      while (sent < REQUESTS) {
        const nth = sent++;
        const place = nth % fleet.gateways.length;
        const { dataUrl } = fleet.gateways[place === gone ? (place + 1) % fleet.gateways.length : place]!;
        const { closed, status } = await send(requestTo(dataUrl, random.next(), random.next()));
        ended.set(closed, (ended.get(closed) ?? 0) + 1);
        assert.ok(status === null || status === 200 || status === 429, String(status));
      }
    };
    const callers = Array.from({ length: CALLERS }, caller);
    await until('half of it is sent', () => sent >= REQUESTS / 2);
    gone = 1;
    await fleet.kill(gone);
    await fleet.replace(gone);
    gone = -1;
    await Promise.all(callers);
    t.diagnostic(JSON.stringify(Object.fromEntries(ended)));
    assert.ok(ended.get('aborted')! > REQUESTS * ABORTED * 0.5);

    const freeMs = await eventually('nothing is held', async () => {
      return (
        (await fleet.states()).every(({ reserved }) => reserved === 0) && redis.cli('keys', '*:record:*').trim() === ''
      );
    });
    assert.ok(freeMs <= LEASE_MS + BUSY_MS, `${freeMs} ms`);
    const finished = fleet.provider.book.entries.filter(({ state }) => state === 'finished');
    const most = mostAtOnce(finished);
    t.diagnostic(`${finished.length} served in full, ${most} at once`);
    assert.ok(most <= PLACES);
    await oneMoreIsRefused(fleet, clock);
    await assertExpiring([redis]);
  },
);

/** A small call, half of them streams; some leave before they are answered, some in the middle. */
function requestTo(url: string, kind: number, when: number): SendOptions {
  const leaves =
    when < ABORTED / 2 ? 'before-headers' : when < ABORTED ? { afterBytes: Math.floor(when * 1000) } : null;
  return {
    url,
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${TEST_KEY}` },
    body: { ...CHAT, stream: kind < 0.5 },
    ...(leaves !== null && { abort: leaves }),
  };
}
