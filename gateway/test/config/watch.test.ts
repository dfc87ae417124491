import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Clock, systemClock } from '../../src/clock.ts';
import { POLL_MS, watchFile } from '../../src/config/watch.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const LIMIT = { timeout: 10_000 };

function folder(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Watches `file`; `next()` waits for a change that was not waited for yet. */
async function watched(context: TestContext, file: string, clock: Clock = systemClock) {
  let changes = 0;
  let waitedFor = 0;
  let wake = () => {};
  const stop = await watchFile(file, clock, () => {
    changes++;
    wake();
  });
  context.after(stop);
  return {
    stop,
    changes: () => changes,
    async next() {
      waitedFor++;
      while (changes < waitedFor) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

test('R44: a file written in place is noticed', LIMIT, async (context) => {
  const file = join(folder(context), 'headgate.yaml');
  writeFileSync(file, 'region: a');
  const { next } = await watched(context, file);
  writeFileSync(file, 'region: bb');
  await next();
});

test('R44: a file replaced by rename, as editors do, is noticed each time', LIMIT, async (context) => {
  const file = join(folder(context), 'headgate.yaml');
  writeFileSync(file, 'region: a');
  const { next } = await watched(context, file);
  for (const text of ['region: b', 'region: c', 'region: d']) {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
    await next();
  }
});

test('R44: a Kubernetes ConfigMap swapped by its ..data link is noticed each time', LIMIT, async (context) => {
  const directory = folder(context);
  const publish = (version: string) => {
    mkdirSync(join(directory, version));
    writeFileSync(join(directory, version, 'headgate.yaml'), `region: ${version}`);
    symlinkSync(version, join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  };
  publish('..1');
  const file = join(directory, 'headgate.yaml');
  symlinkSync(join('..data', 'headgate.yaml'), file);
  const { next } = await watched(context, file);
  publish('..2');
  await next();
  publish('..3');
  await next();
});

test('R44: a file away for a moment is one change, when it is back', LIMIT, async (context) => {
  const file = join(folder(context), 'headgate.yaml');
  writeFileSync(file, 'region: a');
  const { next, changes } = await watched(context, file);
  rmSync(file);
  writeFileSync(file, 'region: bb');
  await next();
  assert.equal(changes(), 1);
});

test(
  'R44: a change without an event is found by the poll, even when the directory is another one',
  LIMIT,
  async (context) => {
    const directory = join(folder(context), 'config');
    const file = join(directory, 'headgate.yaml');
    mkdirSync(directory);
    writeFileSync(file, 'region: a');
    const clock = new VirtualClock();
    const { next } = await watched(context, file, clock);
    renameSync(directory, `${directory}.old`);
    mkdirSync(directory);
    writeFileSync(file, 'region: bb');
    clock.advance(POLL_MS);
    await next();
  },
);

test('R44: the end of watching leaves no timer behind', LIMIT, async (context) => {
  const file = join(folder(context), 'headgate.yaml');
  writeFileSync(file, 'region: a');
  const clock = new VirtualClock();
  const { stop } = await watched(context, file, clock);
  stop();
  assert.equal(clock.pending, 0);
});
