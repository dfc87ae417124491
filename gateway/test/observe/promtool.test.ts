/** `/metrics` as Prometheus' own tool judges it, after calls that ended in every way. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { METRICS } from '../../src/observe/names.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import { send } from '../fakes/http-client.ts';
import { prerequisite } from '../fakes/prerequisite.ts';
import { CHAT, type Stand, startStand } from '../fakes/stand.ts';

/** Calls that ended well, badly and not at all, so that every metric has something to say. */
async function exercise(stand: Stand, behave: (behaviour: Behaviour) => void): Promise<string> {
  for (const stream of [false, true]) {
    for (const status of [200, 400, 401, 429, 500, 503]) {
      behave(status === 200 ? {} : { faults: [{ kind: 'status', status }] });
      await stand.ask({ body: { ...CHAT, stream } });
    }
    behave({ faults: [{ kind: 'cut', after: { events: 2 } }] });
    await stand.ask({ body: { ...CHAT, stream } });
  }
  await stand.ask({ key: null });
  await stand.ask({ path: '/v1/nowhere' });
  return (await send({ url: stand.gateway.adminUrl, method: 'GET', path: '/metrics' })).text;
}

async function exposition(): Promise<string> {
  let behaviour: Behaviour = {};
  await using stand = await startStand({
    limits: '[ { requests: 12/minute } ]',
    providerModel: 'a \\"quoted\\" \\\\ model',
    providers: [{ script: () => behaviour }],
  });
  return await exercise(stand, (next) => {
    behaviour = next;
  });
}

const PROMTOOL = spawnSync('promtool', ['--version']).status === 0;

test('promtool finds nothing to complain about in /metrics', prerequisite('promtool', PROMTOOL), async () => {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: await exposition(),
    encoding: 'utf8',
  });
  assert.equal(`${stdout}${stderr}`, '');
  assert.equal(status, 0);
});

test('every metric has a name of its own, a help text and a type, and every value is a number', async () => {
  const text = await exposition();
  for (const { name, type, help } of Object.values(METRICS)) {
    assert.ok(text.includes(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`), name);
  }
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  assert.equal(new Set(lines.map((line) => line.slice(0, line.lastIndexOf(' ')))).size, lines.length, 'a series twice');
  for (const line of lines) assert.match(line, /^headgate_[a-z_]+(\{([a-z_]+="(\\.|[^"\\])*",?)+\})? [0-9.e+-]+$/);
});
