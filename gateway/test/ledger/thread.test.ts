import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LedgerThread } from '../../src/stores/ledger/thread.ts';

test('a thread that dies fails what was asked of it, and the next question starts another', async () => {
  const dies = new URL(`data:text/javascript,import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ number, question }) => {
      if (question.kind === 'open') process.exit(3);
      parentPort.postMessage({ number, answer: [] });
    });`);
  const thread = new LedgerThread('unused', dies);
  const first = assert.rejects(thread.ask({ kind: 'open' }), /ended with code 3/);
  const second = assert.rejects(thread.ask({ kind: 'recent', most: 1 }), /ended with code 3/);
  await Promise.all([first, second]);
  assert.deepEqual(await thread.ask({ kind: 'recent', most: 1 }), []);
  await thread.close();
});
