import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BREAKER, Breaker, REFUSED } from '../../src/policy/breaker.ts';

/** A breaker that failed so often in a row that it is open since `now`. */
function opened(now = 0): Breaker {
  const breaker = new Breaker();
  for (let count = 0; count < BREAKER.failures; count++) breaker.failed(breaker.ask(now), now);
  assert.equal(breaker.state, 'open');
  return breaker;
}

test('R12: it opens at the third failure in a row, and a success in between begins a new row', () => {
  const breaker = new Breaker();
  for (let count = 0; count < 2; count++) assert.equal(breaker.failed(breaker.ask(0), 0), false);
  breaker.succeeded(breaker.ask(0));
  for (let count = 0; count < 2; count++) assert.equal(breaker.failed(breaker.ask(0), 0), false);
  assert.equal(breaker.failed(breaker.ask(0), 0), true);
  assert.equal(breaker.state, 'open');
});

test('R12: it opens at so many failures in a window, whatever succeeded in between, and not when they are spread wider', () => {
  const { failures, ms } = BREAKER.within;
  for (const [apart, state] of [
    [Math.floor((ms - 1) / (failures - 1)), 'open'],
    [Math.ceil(ms / (failures - 1)), 'closed'],
  ] as const) {
    const breaker = new Breaker();
    for (let count = 0; count < failures; count++) {
      assert.equal(breaker.state, 'closed');
      breaker.succeeded(breaker.ask(count * apart));
      breaker.failed(breaker.ask(count * apart), count * apart);
    }
    assert.equal(breaker.state, state);
  }
});

test('R12: nothing passes before the cool-down is over, and then one probe and nothing beside it', () => {
  const breaker = opened();
  assert.equal(breaker.ask(BREAKER.coolDownMs - 1), REFUSED);
  assert.equal(breaker.waitMs(BREAKER.coolDownMs - 1), 1);
  const probe = breaker.ask(BREAKER.coolDownMs);
  assert.notEqual(probe, REFUSED);
  assert.equal(breaker.ask(BREAKER.coolDownMs), REFUSED);
  assert.equal(breaker.succeeded(probe), true);
  assert.equal(breaker.state, 'closed');
});

test('R12: each probe that fails doubles the cool-down, to 2 s at most, and the next outage begins at 500 ms again', () => {
  const breaker = opened();
  let now = 0;
  for (const coolDown of [500, 1000, 2000, 2000]) {
    assert.equal(breaker.waitMs(now), coolDown);
    now += coolDown;
    breaker.failed(breaker.ask(now), now);
  }
  now += 2000;
  breaker.succeeded(breaker.ask(now));
  for (let count = 0; count < 3; count++) breaker.failed(breaker.ask(now), now);
  assert.equal(breaker.waitMs(now), 500);
});

test('R12: the result of a call that began before the last change of state changes nothing', () => {
  const breaker = new Breaker();
  const early = breaker.ask(0);
  for (let count = 0; count < 3; count++) breaker.failed(breaker.ask(0), 0);
  assert.equal(breaker.succeeded(early), false);
  assert.equal(breaker.state, 'open');
  const probe = breaker.ask(500);
  assert.equal(breaker.failed(early, 500), false);
  assert.equal(breaker.succeeded(early), false);
  assert.equal(breaker.state, 'halfOpen');
  breaker.succeeded(probe);
  for (let count = 0; count < 5; count++) assert.equal(breaker.failed(early, 500), false);
  assert.equal(breaker.state, 'closed');
});

test('R12: a probe that reports nothing is given up after the longest cool-down, and another one takes its place', () => {
  const breaker = opened();
  const lost = breaker.ask(500);
  assert.equal(breaker.ask(500 + BREAKER.longestCoolDownMs - 1), REFUSED);
  const next = breaker.ask(500 + BREAKER.longestCoolDownMs);
  assert.notEqual(next, REFUSED);
  assert.equal(breaker.succeeded(lost), false);
  assert.equal(breaker.succeeded(next), true);
});

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 900 }) }),
    fc.record({ kind: fc.constant('ask' as const) }),
    fc.record({ kind: fc.constantFrom('succeed' as const, 'fail' as const), which: fc.nat(20) }),
  ),
  { maxLength: 200 },
);

test('R12: whatever happens, one call at most is under way in a half-open breaker, none begins in an open one, and each wait ends', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const breaker = new Breaker();
      const underWay: number[] = [];
      let now = 0;
      for (const step of list) {
        const before = breaker.state;
        if (step.kind === 'advance') now += step.ms;
        else if (step.kind === 'ask') {
          const waitMs = breaker.waitMs(now);
          const generation = breaker.ask(now);
          assert.equal(generation === REFUSED, waitMs > 0);
          if (generation === REFUSED) continue;
          if (before !== 'closed') assert.equal(underWay.includes(generation), false);
          underWay.push(generation);
        } else {
          const [generation] = underWay.splice(step.which % Math.max(1, underWay.length), 1);
          if (generation === undefined) continue;
          const changed = step.kind === 'fail' ? breaker.failed(generation, now) : breaker.succeeded(generation);
          assert.equal(changed, breaker.state !== before);
          if (before === 'open') assert.equal(changed, false);
        }
        assert.ok(breaker.waitMs(now) <= BREAKER.longestCoolDownMs);
      }
    }),
  );
});
