import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { type SimulatedProvider, startProvider } from '../../src/provider/server.ts';
import { exchange, type SendOptions, send } from '../fakes/http-client.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

let clock: VirtualClock;
let provider: SimulatedProvider;

beforeEach(async () => {
  clock = new VirtualClock();
  provider = await startProvider({ clock, tokens: 20 });
});
afterEach(() => provider.close());

const chat = (model: string, stream: boolean): SendOptions => ({
  url: provider.url,
  path: '/v1/chat/completions',
  body: { model, stream, messages: [{ role: 'user', content: 'Hello' }], stream_options: { include_usage: true } },
});
const last = () => provider.book.entries.at(-1)!;

test('a finished answer is in the book with all its tokens', async () => {
  for (const stream of [true, false]) {
    await send(chat('sim', stream));
    const { model, status, promptTokens, generatedTokens, writtenTokens, usageReported, state } = last();
    assert.deepEqual(
      { model, status, promptTokens, generatedTokens, writtenTokens, usageReported, state },
      {
        model: 'sim',
        status: 200,
        promptTokens: 2,
        generatedTokens: 20,
        writtenTokens: 20,
        usageReported: true,
        state: 'finished',
      },
    );
  }
});

test('when the other side leaves a stream, generation ends at once and the book has what was made until then', async () => {
  const { headers, abort } = exchange(chat('sim@pace=10ms', true));
  await headers;
  clock.advance(40);
  await until('five tokens are written', () => last().writtenTokens === 5);
  abort();
  await until('it is aborted', () => last().state === 'aborted');
  assert.equal(clock.pending, 0);
  clock.advance(10_000);
  const { generatedTokens, writtenTokens, usageReported, endedAt, startedAt } = last();
  assert.deepEqual([generatedTokens, writtenTokens, usageReported, endedAt! - startedAt], [5, 5, false, 40]);
});

test('when the other side leaves a JSON answer in the making, the book has the tokens made until then, none of them written', async () => {
  const { abort } = exchange(chat('sim@ttft=100ms,pace=10ms', false));
  await until('its timer waits', () => clock.pending === 1);
  clock.advance(125);
  abort();
  await until('it is aborted', () => last().state === 'aborted');
  assert.deepEqual([last().generatedTokens, last().writtenTokens], [3, 0]);
});

test('when the other side leaves before the headers, nothing was generated', async () => {
  const { abort } = exchange(chat('sim@delay=10s', true));
  await until('its timer waits', () => clock.pending === 1);
  abort();
  await until('it is aborted', () => last().state === 'aborted');
  assert.deepEqual([last().status, last().promptTokens, last().generatedTokens, clock.pending], [null, 0, 0, 0]);
});

test('a provider that breaks the connection itself says so', async () => {
  await send(chat('sim@reset=4', true));
  assert.deepEqual([last().state, last().generatedTokens, last().faults], ['broken', 3, ['reset']]);
});

test('a refusal has a status and no tokens', async () => {
  await send(chat('sim@status=429', true));
  assert.deepEqual([last().status, last().promptTokens, last().generatedTokens, last().state], [429, 0, 0, 'finished']);
});

test('the totals are the sum of the entries after many answers of every ending', async () => {
  const models = ['sim', 'sim@cut=5', 'sim@reset=5', 'sim@status=500', 'sim@no-done', 'sim@close=90B'];
  const running = Array.from({ length: 60 }, (_, at) => {
    const running = exchange({
      ...chat(models[at % models.length]!, at % 2 === 0),
      ...(at % 5 === 0 ? { abort: { afterBytes: 0 } } : {}),
    });
    return running.done;
  });
  await Promise.all(running);
  await until('no connection is left', () => provider.connections === 0);
  const { totals, entries } = provider.book;
  assert.equal(totals.requests, 60);
  assert.equal(totals.open, 0);
  assert.equal(totals.finished + totals.broken + totals.aborted, 60);
  for (const field of ['promptTokens', 'generatedTokens', 'writtenTokens'] as const) {
    assert.equal(
      totals[field],
      entries.reduce((sum, entry) => sum + entry[field], 0),
      field,
    );
  }
  assert.ok(entries.every(({ writtenTokens, generatedTokens }) => writtenTokens <= generatedTokens));
});

test('a reader that reads nothing stops the generation, and reading on completes it', async () => {
  const flood = await startProvider({ clock: systemClock, tokens: 100_000 });
  try {
    const slow = exchange({ ...chat('sim', true), url: flood.url, readNothing: true });
    await slow.headers;
    // It stands when nothing was generated in so many turns of the loop.
    let seen = -1;
    let turns = 0;
    await until('it stands', () => {
      const now = flood.book.totals.generatedTokens;
      turns = now === seen ? turns + 1 : 0;
      seen = now;
      return now > 0 && turns === 100;
    });
    assert.ok(flood.book.totals.generatedTokens < 100_000);
    slow.read();
    assert.equal((await slow.done).closed, 'end');
    assert.equal(flood.book.totals.writtenTokens, 100_000);
  } finally {
    await flood.close();
  }
});

test('the book is served as JSON, and DELETE starts it anew without what is still open', async () => {
  const open = exchange(chat('sim@silent', true));
  await until('it is open', () => provider.book.totals.open === 1);
  const book = async (method: string) =>
    JSON.parse((await send({ url: provider.url, path: '/_provider/book', method })).text);
  assert.equal((await book('GET')).entries[0].model, 'sim@silent');
  assert.deepEqual((await book('DELETE')).entries, []);
  open.abort();
  await until('no connection is left', () => provider.connections === 0);
  assert.deepEqual(new Set(Object.values((await book('GET')).totals)), new Set([0]));
  assert.equal((await send({ url: provider.url, path: '/_provider/book', method: 'PUT' })).status, 405);
});

test('only so many entries are kept, while the totals keep all', async () => {
  const short = await startProvider({ clock, tokens: 1, entriesKept: 3, keepRequests: false });
  try {
    for (let count = 0; count < 10; count++) await send({ ...chat('sim', false), url: short.url });
    assert.ok(short.book.entries.length >= 3 && short.book.entries.length < 6);
    assert.equal(short.book.entries.at(-1)!.number, 10);
    assert.equal(short.book.totals.requests, 10);
    assert.equal(short.requests.length, 0);
  } finally {
    await short.close();
  }
});

test('close ends every connection, stalled ones too, and leaves no timer', async () => {
  const stalled = exchange(chat('sim@stall=2', true));
  const delayed = exchange(chat('sim@delay=1m', true));
  await until('both are open', () => provider.book.totals.open === 2);
  await provider.close();
  assert.deepEqual([(await stalled.done).closed, (await delayed.done).closed], ['cut', 'cut']);
  await until('no connection is left', () => provider.connections === 0);
  assert.equal(clock.pending, 0);
});
