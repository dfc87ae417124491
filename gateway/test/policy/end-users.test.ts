import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { EndUsers, EVERYBODY_ELSE, NAMES_MAX } from '../../src/policy/end-users.ts';

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 10, 21, 12);

const endUsers = () => new EndUsers((text) => hash('sha256', text, 'hex').slice(0, 32));

test('a plain name is counted as it is, and again the same', () => {
  const users = endUsers();
  for (const name of ['u-1', 'alice@example.com', 'A_b.c+d', 'x'.repeat(64)]) {
    assert.equal(users.name('acme', name, NOON), name);
    assert.equal(users.name('acme', name, NOON + 1), name);
  }
});

test('a name is never long, never means anything in the name of a counter, and two names stay two', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 200, unit: 'binary' }),
    fc.constantFrom('', '*', '#', 'a:b', 'a@b', 'a/b'),
  );
  fc.assert(
    fc.property(text, text, (one, other) => {
      const users = endUsers();
      const names = [users.name('acme', one, NOON), users.name('acme', other, NOON)];
      for (const name of names) assert.match(name, /^#?[A-Za-z0-9._@+-]{1,64}$/);
      assert.equal(names[0] === names[1], one === other);
    }),
  );
});

test('at most 10,000 names of an organization are told apart in one hour; the rest count as one, and those known stay known', () => {
  const users = endUsers();
  for (let nth = 0; nth < NAMES_MAX; nth++) assert.equal(users.name('acme', `u${nth}`, NOON), `u${nth}`);
  assert.equal(users.name('acme', 'late', NOON), EVERYBODY_ELSE);
  assert.equal(users.name('acme', 'later', NOON + HOUR - 1), EVERYBODY_ELSE);
  assert.equal(users.name('acme', 'u0', NOON + HOUR - 1), 'u0');
  assert.equal(users.name('other', 'late', NOON), 'late', 'one organization takes no names from another');
  assert.equal(users.name('acme', 'late', NOON + HOUR), 'late', 'the next hour begins anew');
});

test('a clock that goes back a little gives nobody a second 10,000', () => {
  const users = endUsers();
  for (let nth = 0; nth < NAMES_MAX; nth++) users.name('acme', `u${nth}`, NOON);
  assert.equal(users.name('acme', 'late', NOON - 1), EVERYBODY_ELSE);
  assert.equal(users.name('acme', 'late', NOON), EVERYBODY_ELSE);
});
