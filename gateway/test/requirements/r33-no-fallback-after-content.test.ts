import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Behaviour } from '../../src/provider/answer.ts';
import type { Fault } from '../../src/provider/faults.ts';
import { DONE, FINISH, ROLE, STREAM_HEADERS, startHandUpstream, word } from '../fakes/hand-upstream.ts';
import { contentEvents, dataOf, type Scene, setScene } from '../fakes/scene.ts';
import { turns, until } from '../fakes/until.ts';

const IDLE_MS = 30_000;
const FIRST_TOKEN_MS = 10_000;
const TIMEOUTS = `{ idle: ${IDLE_MS}ms, firstToken: ${FIRST_TOKEN_MS}ms }`;

/** What the second provider sends to who asks it directly. */
async function whole(behaviour: Behaviour = {}): Promise<string> {
  await using scene = await setScene({ targets: [behaviour] });
  return (await scene.call().done).text;
}

const asked = ({ providers }: Scene) => providers.map((provider) => provider.book.totals.requests);

test('R33: what fails before the first content fails over, and not one byte of the failed answer is seen', async () => {
  const expected = await whole();
  const faults: readonly Fault[] = [
    { kind: 'status', status: 503 },
    { kind: 'empty' },
    { kind: 'cut', after: { events: 1 } },
    { kind: 'close', after: { events: 1 } },
    { kind: 'reset', after: { events: 1 } },
    { kind: 'error', afterEvents: 0 },
    { kind: 'error', afterEvents: 1 },
    { kind: 'stall', after: { events: 1 } },
    { kind: 'garbage', what: 'http' },
  ];
  for (const fault of faults) {
    await using scene = await setScene({ targets: [{ faults: [fault] }, {}], timeouts: TIMEOUTS });
    const call = scene.call();
    if (fault.kind === 'stall') {
      await until('the role is sent', () => scene.providers[0]!.book.entries[0]?.status === 200);
      await turns();
      scene.clock.advance(FIRST_TOKEN_MS);
    }
    const received = await call.done;
    assert.deepEqual([received.status, received.text], [200, expected], fault.kind);
    assert.deepEqual(asked(scene), [1, 1]);
    assert.equal(received.headers['x-headgate-target'], 'p2/m');
    assert.equal((await scene.record()).outcome, 'ok');
    await scene.settled();
  }
});

test('R33: when every target fails before its first content the caller gets a real status, never a 200', async () => {
  for (const [fault, status] of [
    [{ kind: 'cut', after: { events: 1 } }, 502],
    [{ kind: 'error', afterEvents: 1 }, 502],
    [{ kind: 'status', status: 503 }, 503],
    [{ kind: 'status', status: 429 }, 429],
  ] as const) {
    await using scene = await setScene({ targets: [{ faults: [fault] }, { faults: [fault] }] });
    const received = await scene.call().done;
    assert.equal(received.status, status);
    assert.match(received.headers['content-type'] ?? '', /^application\/json/);
    assert.deepEqual(asked(scene), [1, 1]);
    await scene.settled();
  }
});

test('R33: after the first content nothing fails over: the answer that began ends with an error, and nobody else is asked', async () => {
  const faults: readonly Fault[] = [
    { kind: 'cut', after: { events: 2 } },
    { kind: 'close', after: { events: 2 } },
    { kind: 'reset', after: { events: 2 } },
    { kind: 'error', afterEvents: 2 },
    { kind: 'stall', after: { events: 2 } },
  ];
  for (const fault of faults) {
    await using scene = await setScene({ targets: [{ faults: [fault] }, {}], timeouts: TIMEOUTS });
    const call = scene.call();
    if (fault.kind === 'stall') {
      await until('the first token is here', () => call.bytesReceived > 300);
      await turns();
      scene.clock.advance(IDLE_MS);
    }
    const { text } = await call.done;
    assert.equal(contentEvents(text), 1, fault.kind);
    assert.match(JSON.stringify(dataOf(text).at(-1)), /^\{"error":/);
    assert.deepEqual(asked(scene), [1, 0]);
    await scene.settled();
  }
});

test('R33: events without content are held back until content comes, then go out first and unchanged', async () => {
  await using upstream = await startHandUpstream();
  await using scene = await setScene({ targets: [upstream.url] });
  const call = scene.call();
  await until('the call is with the provider', () => upstream.calls.length === 1);
  const { response } = upstream.calls[0]!;
  const lifecycle = [': processing\n\n', ROLE, ROLE];
  response.writeHead(200, STREAM_HEADERS);
  for (const event of lifecycle) response.write(event);
  await turns(200);
  assert.equal(call.bytesReceived, 0);
  response.write(word('Hello'));
  response.end(FINISH + DONE);
  const received = await call.done;
  assert.equal(received.text, lifecycle.join('') + word('Hello') + FINISH + DONE);
  await scene.settled();
});

test('R33: the messages of a call go to the second target exactly as they came, with no word added', async () => {
  await using scene = await setScene({ targets: [{ faults: [{ kind: 'status', status: 500 }] }, {}] });
  await scene.call().done;
  const bodies = scene.providers.map(({ requests }) => requests[0]!.body.toString());
  assert.equal(bodies[0], bodies[1]);
  assert.match(bodies[0]!, /"messages":\[\{"role":"user","content":"Say something, please\."\}\]/);
});

test('R33: one malformed event passes through and hurts nothing: the stream goes on and the next call is served', async () => {
  await using scene = await setScene({ targets: [{ faults: [{ kind: 'garbage', what: 'sse' }] }] });
  for (let time = 0; time < 2; time++) {
    const { text, status } = await scene.call().done;
    assert.equal(status, 200);
    assert.ok(text.includes('"content":"sim\n\n'), 'the malformed event is the provider’s affair');
    assert.equal(
      text
        .split('\n\n')
        .filter((event) => event.startsWith('data: '))
        .at(-1),
      'data: [DONE]',
    );
  }
  assert.ok((await scene.ledger()).every((record) => record.outcome === 'ok' && record.usage.source === 'provider'));
  await scene.settled();
});
