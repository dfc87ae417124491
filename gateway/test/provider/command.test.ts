import assert from 'node:assert/strict';
import { test } from 'node:test';
import { providerCommand } from '../../src/provider/command.ts';
import { NotationError, parseChance, parseCut, parseDuration, parseModel } from '../../src/provider/notation.ts';
import { send } from '../fakes/http-client.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

function run(...flags: string[]) {
  const lines: string[] = [];
  const stop = new AbortController();
  const clock = new VirtualClock();
  const command = providerCommand({ clock, write: (line) => lines.push(line), signal: stop.signal });
  const ended = command
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .parseAsync(['--port', '0', ...flags], { from: 'user' });
  const ask = async (model = 'sim') => {
    const url = /(http:\S+)\/v1$/.exec(lines[0]!)![1]!;
    const answer = await send({ url, path: '/v1/chat/completions', body: { model, messages: [] } });
    return { status: answer.status, body: JSON.parse(answer.text) };
  };
  return { lines, stop, clock, ended, ask };
}

test('the command says where it listens and which flags are in effect, serves, and ends when told', async () => {
  const { lines, stop, ended, ask } = run('--tokens', '7', '--fault', 'cut=300B:0%', '--seed', '4');
  await until('it has said where it listens', () => lines.length === 2);
  assert.equal(lines[1], 'ttft 0 ms, pace 0 ms, 7 tokens, {"kind":"cut","after":{"bytes":300}} at 0%, seed 4');
  assert.equal((await ask()).body.usage.completion_tokens, 7);
  stop.abort();
  await ended;
});

test('one line for each second in which it served something, none with --quiet', async () => {
  for (const quiet of [false, true]) {
    const { lines, stop, clock, ended, ask } = run('--tokens', '7', ...(quiet ? ['--quiet'] : []));
    await until('it has said where it listens', () => lines.length === 2);
    clock.advance(1000);
    await ask();
    await ask();
    clock.advance(3000);
    assert.deepEqual(lines.slice(2), quiet ? [] : ['2 requests, 14 tokens, 0 open, 0 aborted, 0 broken']);
    stop.abort();
    await ended;
    assert.equal(clock.pending, 0);
  }
});

test('faults of the command line befall requests', async () => {
  const { lines, stop, ended, ask } = run('--fault', 'status=503', '--fault', 'delay=0');
  await until('it has said where it listens', () => lines.length === 2);
  assert.equal((await ask()).status, 503);
  stop.abort();
  await ended;
});

test('a flag that is not understood is refused with what would be', async () => {
  for (const [flag, value, message] of [
    ['--fault', 'status=99', /write 200 to 599/],
    ['--fault', 'nonsense', /is no fault/],
    ['--fault', 'empty:101%', /more often than always/],
    ['--pace', '20', /write 200ms, 1.5s or 2m/],
    ['--tokens', '0', /whole number from 1/],
    ['--cut', 'half', /write whole, event/],
  ] as const) {
    await assert.rejects(run(flag, value).ended, message);
  }
});

test('the notation of faults, chances, durations and cuts', () => {
  assert.deepEqual(parseChance('status=500:10%'), { fault: { kind: 'status', status: 500 }, rate: 0.1 });
  assert.deepEqual(parseChance('delay=2s'), { fault: { kind: 'delay', ms: 2000 }, rate: 1 });
  assert.deepEqual(parseChance('reset=300B:0.5%'), { fault: { kind: 'reset', after: { bytes: 300 } }, rate: 0.005 });
  assert.deepEqual(parseChance('stall=5').fault, { kind: 'stall', after: { events: 5 } });
  assert.deepEqual(parseChance('error=5').fault, { kind: 'error', afterEvents: 5 });
  assert.deepEqual(parseChance('garbage=sse').fault, { kind: 'garbage', what: 'sse' });
  assert.deepEqual(parseChance('no-done').fault, { kind: 'no-done' });
  assert.deepEqual(['200ms', '1.5s', '2m', '0'].map(parseDuration), [200, 1500, 120_000, 0]);
  assert.deepEqual(['utf8', '1'].map(parseCut), ['utf8', { bytes: 1 }]);
  for (const wrong of ['garbage=xml', 'empty=1', 'stall', 'cut=-1', 'delay=5', 'status=500:x%']) {
    assert.throws(() => parseChance(wrong), NotationError, wrong);
  }
});

test('a model name asks for paces and faults behind its @', () => {
  assert.deepEqual(parseModel('sim'), { chances: [] });
  assert.deepEqual(parseModel('sim@ttft=1s,pace=20ms,tokens=5,cut=5:50%'), {
    ttftMs: 1000,
    paceMs: 20,
    tokens: 5,
    chances: [{ fault: { kind: 'cut', after: { events: 5 } }, rate: 0.5 }],
  });
});
