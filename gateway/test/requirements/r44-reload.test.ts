/** R44: a new configuration takes over at once and whole, or not at all; nothing in flight and nothing counted is lost. */
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import type { ConfigStatus } from '../../src/config/swap.ts';
import { startProvider } from '../../src/provider/server.ts';
import { type ChildGateway, startChildGateway } from '../fakes/child-gateway.ts';
import { plainConfig, TEST_KEY } from '../fakes/gateway.ts';
import { exchange, send } from '../fakes/http-client.ts';
import { openRaw, statusOf } from '../fakes/raw-http.ts';
import { askGateway, CHAT, type Stand, startStand } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const INVALID = 'providers: { p1: { protocol: openai } }\nmodles: {}\n';

const configOf = (stand: Stand, limits: string) =>
  plainConfig({ providers: stand.providers.map(({ url }) => url), limits });

async function statusAt(adminUrl: string): Promise<ConfigStatus> {
  const { text } = await send({ url: adminUrl, method: 'GET', path: '/config/status' });
  return JSON.parse(text) as ConfigStatus;
}

function reload(stand: Stand, yaml: string): void {
  stand.gateway.write(yaml);
  stand.gateway.reload();
}

test('R44: an invalid file changes nothing: the one before keeps serving, and status, metrics and log say why', async () => {
  await using stand = await startStand({ limits: '[ { requests: 5/minute } ]', clock: new VirtualClock() });
  const { version } = stand.gateway.config.status;
  reload(stand, INVALID);
  const { headers } = await stand.ask();
  assert.equal(headers['x-ratelimit-limit-requests'], '5');
  const status = await statusAt(stand.gateway.adminUrl);
  assert.equal(status.version, version);
  assert.equal(status.refused, 1);
  assert.ok(status.lastError!.problems.some((line) => /^headgate\.yaml:\d+.*modles.*did you mean "?models/.test(line)));
  const metrics = await stand.scrape();
  assert.equal(metrics.get('headgate_config_reload_failures_total'), 1);
  assert.equal(metrics.get('headgate_config_reloads_total'), 0);
  assert.equal(metrics.get(`headgate_config_info{version="${version}"}`), 1);
  assert.match(stand.gateway.log(), /configuration refused; the one before keeps serving/);

  reload(stand, configOf(stand, '[ { requests: 7/minute } ]'));
  assert.equal((await stand.ask()).headers['x-ratelimit-limit-requests'], '7');
  const mended = await statusAt(stand.gateway.adminUrl);
  assert.equal(mended.lastError, null);
  assert.equal(mended.reloads, 1);
  assert.notEqual(mended.version, version);
});

test('R44: what was used still counts after a reload, also against another amount', async () => {
  await using stand = await startStand({
    limits: '[ { requests: 5/minute }, { tokens: 1M/month } ]',
    clock: new VirtualClock(),
  });
  await stand.ask();
  await stand.ask();
  const before = Number((await stand.ask()).headers['x-ratelimit-remaining-tokens']);
  reload(stand, configOf(stand, '[ { requests: 9/minute }, { tokens: 1M/month } ]'));
  const { headers } = await stand.ask();
  assert.equal(headers['x-ratelimit-remaining-requests'], '5');
  assert.ok(Number(headers['x-ratelimit-remaining-tokens']) < before);
  reload(stand, configOf(stand, '[ { requests: 4/minute }, { tokens: 1M/month } ]'));
  assert.equal((await stand.ask()).status, 429);
});

test('R44: a slot that is taken stays taken through a reload', async () => {
  const held = new VirtualClock();
  await using stand = await startStand({
    limits: '[ { concurrency: 1 } ]',
    providers: [{ clock: held, script: () => ({ faults: [{ kind: 'delay', ms: 1000 }] }) }],
  });
  const running = stand.ask();
  await until('it runs', () => stand.seen === 1);
  reload(stand, `${configOf(stand, '[ { concurrency: 1 } ]')}# changed\n`);
  assert.equal((await stand.ask()).status, 429);
  held.advance(1000);
  assert.equal((await running).status, 200);
  await until('nothing runs', () => stand.gateway.running === 0);
  assert.equal(await stand.gateway.limits.held(), 0);
});

test('R44: a request keeps the configuration it began with: its key, its model, its provider', async () => {
  await using stand = await startStand({ limits: '[ { requests: 5/minute } ]' });
  const body = JSON.stringify(CHAT);
  const begun = openRaw(stand.gateway.dataUrl);
  begun.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${TEST_KEY}\r\ncontent-length: ${body.length}\r\n\r\n{`,
  );
  await until('its body is awaited', () => stand.gateway.bodyBytes > 0);
  reload(stand, 'tiers: { none: {} }\n');
  assert.equal((await stand.ask()).status, 401);
  begun.write(body.slice(1));
  assert.equal(statusOf(await begun.closed), 200);
});

test('R44: a live stream is not cut by a reload that takes its provider away', async () => {
  const paced = new VirtualClock();
  await using stand = await startStand({ providers: [{ clock: paced, tokens: 20, pacing: { paceMs: 100 } }] });
  const stream = exchange({
    url: stand.gateway.dataUrl,
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${TEST_KEY}` },
    body: { ...CHAT, max_tokens: 20, stream: true },
  });
  paced.advance(0);
  await until('it streams', () => {
    paced.advance(1);
    return stream.bytesReceived > 0;
  });
  reload(stand, 'tiers: { none: {} }\n');
  let over = false;
  void stream.done.then(() => {
    over = true;
  });
  await until('it is over', () => {
    paced.advance(100);
    return over;
  });
  const { text, closed } = await stream.done;
  assert.equal(closed, 'end');
  assert.ok(text.endsWith('data: [DONE]\n\n'));
});

test('R44: 200 reloads under load: every request succeeds, and no timer, socket or reservation is left', async (t) => {
  const clock = new VirtualClock();
  await using stand = await startStand({ clock, limits: '[ { requests: 1M/minute }, { concurrency: 100 } ]' });
  await stand.ask();
  await until('it is over', () => stand.gateway.running === 0);
  const timers = clock.pending;
  const answers = new Map<number | null, number>();
  let reloads = 0;
  const caller = async () => {
    for (let calls = 0; reloads < 200; calls++) {
      const { status } = await stand.ask({ body: { ...CHAT, stream: calls % 2 === 0 } });
      answers.set(status, (answers.get(status) ?? 0) + 1);
    }
  };
  const operator = async () => {
    for (let amount = 0; reloads < 200; amount++, reloads++) {
      const total = [...answers.values()].reduce((sum, count) => sum + count, 0);
      reload(
        stand,
        amount % 4 === 3
          ? INVALID
          : configOf(stand, `[ { requests: ${amount + 1000}k/minute }, { concurrency: 100 } ]`),
      );
      await until('another call is over', () => [...answers.values()].reduce((sum, count) => sum + count, 0) > total);
    }
  };
  await Promise.all([operator(), ...Array.from({ length: 8 }, caller)]);
  assert.deepEqual([...answers.keys()], [200]);
  t.diagnostic(`${answers.get(200)} requests during 200 reloads`);
  const { status } = stand.gateway.config;
  assert.deepEqual([status.reloads, status.refused], [150, 50]);
  await until('nothing runs', () => stand.gateway.running === 0);
  await stand.gateway.ledger.flush();
  assert.equal(await stand.gateway.limits.held(), 0);
  // One more at most: the ledger's, which runs while records wait for the database.
  assert.ok(clock.pending <= timers + 1, `${clock.pending} timers, ${timers} before`);
  assert.ok(stand.providers[0]!.connections <= 8, `${stand.providers[0]!.connections} sockets to the provider`);
});

/** Asks until `holds`; throws when it never does. */
async function becomes(
  what: string,
  child: ChildGateway,
  holds: (status: ConfigStatus) => boolean,
): Promise<ConfigStatus> {
  const giveUpAt = systemClock.monotonic() + 20_000;
  for (;;) {
    const status = await statusAt(child.adminUrl);
    if (holds(status)) return status;
    if (systemClock.monotonic() > giveUpAt) throw new Error(`it never came to pass: ${what}`);
  }
}

test('R44: a running process follows its file, written or replaced, and SIGHUP; a broken file changes nothing', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-reload-'));
  const provider = await startProvider({ clock: systemClock });
  const yaml = (requests: number) =>
    plainConfig({ providers: [provider.url], limits: `[ { requests: ${requests}/hour } ]` });
  try {
    await using child = await startChildGateway(directory, yaml(100));
    const limit = async () => (await askGateway(child.dataUrl, {})).headers['x-ratelimit-limit-requests'];
    assert.equal(await limit(), '100');

    writeFileSync(child.configFile, child.text(yaml(200)));
    await becomes('the written file is in force', child, ({ reloads }) => reloads === 1);
    assert.equal(await limit(), '200');

    writeFileSync(`${child.configFile}.new`, child.text(yaml(300)));
    renameSync(`${child.configFile}.new`, child.configFile);
    await becomes('the replacement is in force', child, ({ reloads }) => reloads === 2);
    assert.equal(await limit(), '300');

    writeFileSync(child.configFile, INVALID);
    const refused = await becomes('the broken file is refused', child, ({ lastError }) => lastError !== null);
    assert.equal(refused.reloads, 2);
    assert.equal(await limit(), '300');

    writeFileSync(child.configFile, child.text(yaml(400)));
    await becomes('the mended file is in force', child, ({ reloads }) => reloads === 3);
    child.signal('SIGHUP');
    await becomes('it was read again', child, ({ reloads }) => reloads === 4);
    const { headers } = await askGateway(child.dataUrl, {});
    assert.equal(headers['x-ratelimit-remaining-requests'], String(400 - 5));
  } finally {
    await provider.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
