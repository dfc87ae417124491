import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Loaded } from '../../src/config/load.ts';
import { loadText } from '../../src/config/load.ts';
import { ConfigHolder } from '../../src/config/swap.ts';
import { snapshotFrom, TEST_NOW } from '../fakes/config.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const load = (text: string): Loaded =>
  loadText(text, { name: 'headgate.yaml', directory: '/', env: {}, now: TEST_NOW });

/** A holder whose file is `file.text`. */
function held(text: string) {
  const file = { text };
  const clock = new VirtualClock();
  const holder = new ConfigHolder(snapshotFrom(text), () => load(file.text), clock);
  return { file, clock, holder };
}

test('R44: a valid file is put in force in one step, and what was pinned before stays as it was', () => {
  const { file, clock, holder } = held('region: a');
  const pinned = holder.current;
  clock.advance(1000);
  file.text = 'region: b';
  holder.reload();
  assert.equal(holder.current.region, 'b');
  assert.equal(pinned.region, 'a');
  const { version, loadedAt, lastError, reloads, refused } = holder.status;
  assert.deepEqual([version, loadedAt, lastError, reloads, refused], [holder.current.version, clock.now(), null, 1, 0]);
});

test('R44: an invalid file keeps the old configuration, and the status says why until a valid one comes', () => {
  const { file, clock, holder } = held('region: a');
  const before = holder.current;
  file.text = 'regio: b';
  holder.reload();
  assert.equal(holder.current, before);
  assert.deepEqual(holder.status, {
    version: before.version,
    loadedAt: clock.now(),
    lastError: { at: clock.now(), problems: ['headgate.yaml:1:1: regio: unknown key; did you mean "region"?'] },
    reloads: 0,
    refused: 1,
  });
  file.text = 'region: b';
  holder.reload();
  assert.equal(holder.current.region, 'b');
  assert.equal(holder.status.lastError, null);
});

test('R44: a change of what is bound at the start waits for a restart, and everything else is applied', () => {
  const { file, holder } = held('region: a');
  file.text = 'region: b\nlisten: { data: 127.0.0.1:9000 }\nstores: { ledger: "sqlite:/other.db" }';
  holder.reload();
  assert.equal(holder.current.region, 'b');
  assert.equal(holder.current.listen.data.port, 8080);
  assert.equal(holder.current.stores.ledger.path, '/data/headgate.db');
  assert.deepEqual(holder.current.warnings.slice(-2), [
    'listen: changed; restart the gateway to apply it',
    'stores: changed; restart the gateway to apply it',
  ]);
});

test('R44: listeners hear of every reload, put in force or refused, until they leave', () => {
  const { file, holder } = held('region: a');
  const heard: string[] = [];
  const leave = holder.onReload((status, current) => heard.push(`${current.region} ${status.lastError === null}`));
  file.text = 'region: b';
  holder.reload();
  file.text = '{';
  holder.reload();
  leave();
  holder.reload();
  assert.deepEqual(heard, ['b true', 'b false']);
});

test('R44: reloads never overlap: one asked for by a listener runs after the one it heard of', () => {
  const { file, holder } = held('region: a');
  const heard: string[] = [];
  holder.onReload((_status, { region }) => {
    heard.push(`begin ${region}`);
    if (region === 'b') {
      file.text = 'region: c';
      holder.reload();
    }
    heard.push(`end ${region}`);
  });
  file.text = 'region: b';
  holder.reload();
  assert.deepEqual(heard, ['begin b', 'end b', 'begin c', 'end c']);
});

test('R44: 1,000 reloads leave no timer behind', () => {
  const { file, clock, holder } = held('region: a');
  for (let nth = 0; nth < 1000; nth++) {
    file.text = nth % 3 === 0 ? 'regio: x' : `region: r${nth}`;
    holder.reload();
  }
  assert.deepEqual([holder.status.reloads, holder.status.refused, clock.pending], [666, 334, 0]);
});
