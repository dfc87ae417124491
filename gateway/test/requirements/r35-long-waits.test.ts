import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Pool } from 'undici';
import type { Behaviour } from '../../src/provider/answer.ts';
import { startHandUpstream } from '../fakes/hand-upstream.ts';
import { dataOf, setScene } from '../fakes/scene.ts';
import { turns, until } from '../fakes/until.ts';

/** Undici keeps a coarse clock of its own, out of reach of ours; `tick` is its entry for tests. */
const undiciClock = createRequire(import.meta.url)('undici/lib/util/timers.js') as { tick(ms: number): void };

const SILENCE_MS = 400_000;
/** Makes undici's clock pass a silence: first the timers that are new start, then they are as old as that. */
function silenceForUndici(): void {
  undiciClock.tick(0);
  undiciClock.tick(SILENCE_MS);
}

const TIMEOUTS = '{ headers: 900s, firstToken: 900s, idle: 900s, total: 3600s }';

const NEVER_STREAMED: readonly { readonly name: string; readonly stream: boolean; readonly behaviour: Behaviour }[] = [
  {
    name: 'a stream whose headers take 400 s',
    stream: true,
    behaviour: { faults: [{ kind: 'delay', ms: SILENCE_MS }] },
  },
  {
    name: 'a JSON answer whose headers take 400 s',
    stream: false,
    behaviour: { faults: [{ kind: 'delay', ms: SILENCE_MS }] },
  },
  { name: 'a stream that pauses 400 s before its first token', stream: true, behaviour: { ttftMs: SILENCE_MS } },
  {
    name: 'a stream that pauses 400 s before each token',
    stream: true,
    behaviour: { ttftMs: SILENCE_MS, paceMs: SILENCE_MS, tokens: 4 },
  },
  { name: 'a JSON answer whose body takes 400 s', stream: false, behaviour: { ttftMs: SILENCE_MS } },
];

test('R35: the silence in these tests is long enough for undici’s own defaults to end it', async () => {
  await using upstream = await startHandUpstream();
  const pool = new Pool(upstream.url);
  const answer = pool.request({ method: 'POST', path: '/', body: '{}' });
  const ended = assert.rejects(answer, { code: 'UND_ERR_HEADERS_TIMEOUT' });
  await until('the provider has the request', () => upstream.calls.length === 1);
  silenceForUndici();
  await ended;
  await pool.destroy();
});

for (const { name, stream, behaviour } of NEVER_STREAMED) {
  test(`R35: ${name} succeeds where 900 s are allowed`, async () => {
    await using scene = await setScene({ targets: [behaviour], timeouts: TIMEOUTS });
    const call = scene.call({ stream });
    let over = false;
    void call.done.then(() => {
      over = true;
    });
    await until('the provider has the call', () => scene.providers[0]!.requests.length === 1);
    for (let silences = 0; silences < 4; silences++) {
      await turns();
      silenceForUndici();
      await turns();
      scene.clock.advance(SILENCE_MS);
    }
    await until('the answer is complete', () => over);
    const { status, text, closed } = await call.done;
    assert.deepEqual([status, closed], [200, 'end']);
    if (stream) assert.equal(dataOf(text).at(-1), '[DONE]');
    else assert.ok(JSON.parse(text));
    const record = await scene.record();
    assert.deepEqual([record.outcome, record.usage.source], ['ok', 'provider']);
    assert.ok(record.durationMs >= SILENCE_MS);
  });
}

test('R35: a reservation outlives its lease for as long as its answer takes', async () => {
  await using scene = await setScene({
    targets: [{ faults: [{ kind: 'delay', ms: SILENCE_MS }] }],
    timeouts: TIMEOUTS,
    limits: '[ { concurrency: 1 } ]',
  });
  const call = scene.call();
  await until('the provider has the call', () => scene.providers[0]!.requests.length === 1);
  scene.clock.advance(SILENCE_MS - 1);
  assert.equal((await scene.limits())[0]!.remaining, 0);
  assert.equal((await scene.call().done).status, 429);
  scene.clock.advance(1);
  assert.equal((await call.done).status, 200);
  await scene.settled();
});
