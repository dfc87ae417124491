import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findPython } from '../../../examples/first-limit/python.ts';
import { prerequisite } from '../fakes/prerequisite.ts';
import { Program } from './program.ts';

const found = await findPython().then(
  () => true,
  () => false,
);
const python = prerequisite('Python 3.9 or later with venv', found);

test(
  'the story first-limit keeps its promises: 5 admitted, 15 refused with a true retry-after, 20 of 20 completed',
  python,
  async () => {
    await using program = new Program('examples/first-limit/run.ts');
    const { code, stdout, stderr } = await program.ended();
    assert.equal(code, 0, stdout + stderr);
    for (const promise of [
      '5 requests were admitted',
      '5 requests reached the endpoint, by its own count',
      '15 requests were refused',
      'each retry-after ends when the first admitted request is a minute old',
      'a request 500 ms before it is refused',
      'a request at the earliest of them is answered',
      '20 of 20 requests completed',
      '20 reached the endpoint, by its own count',
    ]) {
      assert.ok(stdout.includes(`  kept    ${promise}\n`), `${promise}\n${stdout}`);
    }
    assert.match(stdout, /Starter tier limit exceeded: 5 requests per minute for this key\. Retry in 60 s\./);
    assert.doesNotMatch(stdout, /BROKEN/);
  },
);
