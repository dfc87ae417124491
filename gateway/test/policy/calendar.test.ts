import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Calendar, calendarOf, USUAL_START } from '../../src/policy/calendar.ts';
import type { CalendarPeriod, CalendarStart } from '../../src/policy/limit.ts';

const HOUR = 3_600_000;
const LENGTHS: readonly CalendarPeriod[] = ['minute', 'hour', 'day', 'week', 'month', 'year'];

/** The period around an instant, as ISO strings without seconds. */
function around(length: CalendarPeriod, timeZone: string, instant: string, begins?: CalendarStart): string {
  const { start, end } = new Calendar(length, timeZone, begins).periodAt(Date.parse(instant));
  return [start, end].map((bound) => new Date(bound).toISOString().slice(0, 16)).join(' ');
}

// biome-ignore format: one case a line makes it a table
const CASES: readonly [what: string, length: CalendarPeriod, timeZone: string, instant: string, period: string][] = [
  ['a day in UTC', 'day', 'UTC', '2026-11-21T12:00:00Z', '2026-11-21T00:00 2026-11-22T00:00'],
  ['a short day in Paris', 'day', 'Europe/Paris', '2026-03-29T12:00:00Z', '2026-03-28T23:00 2026-03-29T22:00'],
  ['a long day in Paris', 'day', 'Europe/Paris', '2026-10-25T12:00:00Z', '2026-10-24T22:00 2026-10-25T23:00'],
  ['the last instant of a long day', 'day', 'Europe/Paris', '2026-10-25T22:59:59.999Z', '2026-10-24T22:00 2026-10-25T23:00'],
  ['a month that ends in summer time', 'month', 'Europe/Paris', '2026-03-31T21:59:59Z', '2026-02-28T23:00 2026-03-31T22:00'],
  ['a month that ends in winter time', 'month', 'Europe/Paris', '2026-10-31T22:59:59Z', '2026-09-30T22:00 2026-10-31T23:00'],
  ['a short day in New York', 'day', 'America/New_York', '2026-03-08T12:00:00Z', '2026-03-08T05:00 2026-03-09T04:00'],
  ['a long day in New York', 'day', 'America/New_York', '2026-11-01T12:00:00Z', '2026-11-01T04:00 2026-11-02T05:00'],
  ['a month of 31 days', 'month', 'UTC', '2026-01-31T23:59:59.999Z', '2026-01-01T00:00 2026-02-01T00:00'],
  ['February', 'month', 'UTC', '2026-02-28T23:00:00Z', '2026-02-01T00:00 2026-03-01T00:00'],
  ['February of a leap year', 'month', 'UTC', '2028-02-29T23:00:00Z', '2028-02-01T00:00 2028-03-01T00:00'],
  ['a leap day', 'day', 'America/New_York', '2028-02-29T12:00:00Z', '2028-02-29T05:00 2028-03-01T05:00'],
  ['a year', 'year', 'America/New_York', '2027-01-01T04:59:59Z', '2026-01-01T05:00 2027-01-01T05:00'],
  ['a week from Monday on', 'week', 'UTC', '2026-11-22T23:59:59Z', '2026-11-16T00:00 2026-11-23T00:00'],
  ['a Monday itself', 'week', 'UTC', '2026-11-23T00:00:00Z', '2026-11-23T00:00 2026-11-30T00:00'],
  ['a week over a change of clocks', 'week', 'Europe/Paris', '2026-10-20T00:00:00Z', '2026-10-18T22:00 2026-10-25T23:00'],
  ['an hour in a zone of half hours', 'hour', 'Asia/Kolkata', '2026-11-21T12:45:00Z', '2026-11-21T12:30 2026-11-21T13:30'],
  ['the first of two hours from 2 to 3', 'hour', 'Europe/Paris', '2026-10-25T00:30:00Z', '2026-10-25T00:00 2026-10-25T01:00'],
  ['the second of two hours from 2 to 3', 'hour', 'Europe/Paris', '2026-10-25T01:30:00Z', '2026-10-25T01:00 2026-10-25T02:00'],
  ['half an hour that the clocks repeat', 'hour', 'Australia/Lord_Howe', '2026-04-04T15:10:00Z', '2026-04-04T15:00 2026-04-04T15:30'],
  ['a day without a midnight', 'day', 'America/Havana', '2026-03-08T12:00:00Z', '2026-03-08T05:00 2026-03-09T04:00'],
  ['a day with two midnights', 'day', 'America/Havana', '2026-11-01T05:30:00Z', '2026-11-01T04:00 2026-11-02T05:00'],
  ['the day before one that was skipped', 'day', 'Pacific/Apia', '2011-12-30T09:00:00Z', '2011-12-29T10:00 2011-12-30T10:00'],
  ['a minute', 'minute', 'Europe/Paris', '2026-11-21T12:34:56.789Z', '2026-11-21T12:34 2026-11-21T12:35'],
];

for (const [what, length, timeZone, instant, period] of CASES) {
  test(`R53: ${what} begins and ends with the local clock (${length}, ${timeZone}, ${instant})`, () => {
    assert.equal(around(length, timeZone, instant), period);
  });
}

// biome-ignore format: one case a line makes it a table
const STARTS: readonly [what: string, length: CalendarPeriod, timeZone: string, start: Partial<CalendarStart>, instant: string, period: string][] = [
  ['a week from Sunday on', 'week', 'UTC', { weekday: 0 }, '2026-11-22T00:00:00Z', '2026-11-22T00:00 2026-11-29T00:00'],
  ['the Saturday before it', 'week', 'UTC', { weekday: 0 }, '2026-11-21T23:59:59.999Z', '2026-11-15T00:00 2026-11-22T00:00'],
  ['a week from Saturday on over a change of clocks', 'week', 'Europe/Paris', { weekday: 6 }, '2026-10-28T12:00:00Z', '2026-10-23T22:00 2026-10-30T23:00'],
  ['a week that begins on the day the clocks change', 'week', 'Europe/Paris', { weekday: 0 }, '2026-10-25T12:00:00Z', '2026-10-24T22:00 2026-10-31T23:00'],
  ['a month from the 15th on', 'month', 'UTC', { day: 15 }, '2026-11-21T00:00:00Z', '2026-11-15T00:00 2026-12-15T00:00'],
  ['the day before the 15th', 'month', 'UTC', { day: 15 }, '2026-11-14T23:59:59.999Z', '2026-10-15T00:00 2026-11-15T00:00'],
  ['a month over the turn of the year', 'month', 'UTC', { day: 15 }, '2027-01-02T00:00:00Z', '2026-12-15T00:00 2027-01-15T00:00'],
  ['a month from the 31st on, in a month of 30 days', 'month', 'UTC', { day: 31 }, '2026-11-30T00:00:00Z', '2026-11-30T00:00 2026-12-31T00:00'],
  ['a month from the 31st on, before February ends', 'month', 'UTC', { day: 31 }, '2026-02-27T12:00:00Z', '2026-01-31T00:00 2026-02-28T00:00'],
  ['a month from the 31st on, after February', 'month', 'UTC', { day: 31 }, '2026-02-28T00:00:00Z', '2026-02-28T00:00 2026-03-31T00:00'],
  ['a month from the 30th on, in a leap year', 'month', 'UTC', { day: 30 }, '2028-02-29T00:00:00Z', '2028-02-29T00:00 2028-03-30T00:00'],
  ['a month that begins while the clocks change', 'month', 'Europe/Paris', { day: 29 }, '2026-04-01T00:00:00Z', '2026-03-28T23:00 2026-04-28T22:00'],
  ['a month that begins on a day that was skipped', 'month', 'Pacific/Apia', { day: 30 }, '2011-12-30T12:00:00Z', '2011-12-30T10:00 2012-01-29T10:00'],
  ['a year from January 15th on', 'year', 'UTC', { day: 15 }, '2026-11-21T00:00:00Z', '2026-01-15T00:00 2027-01-15T00:00'],
  ['the day before January 15th', 'year', 'UTC', { day: 15 }, '2026-01-14T23:59:59Z', '2025-01-15T00:00 2026-01-15T00:00'],
  ['a day, whatever its calendar begins with', 'day', 'UTC', { weekday: 3, day: 31 }, '2026-11-21T12:00:00Z', '2026-11-21T00:00 2026-11-22T00:00'],
];

for (const [what, length, timeZone, start, instant, period] of STARTS) {
  test(`R53: ${what} begins and ends where its start says (${length}, ${timeZone}, ${instant})`, () => {
    assert.equal(around(length, timeZone, instant, { ...USUAL_START, ...start }), period);
  });
}

test('R53: the periods of a calendar partition time', () => {
  const zones = ['UTC', 'Europe/Paris', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/Havana'];
  // Every other instant is close to a change of clocks in Paris, where mistakes would hide.
  const change = Date.parse('2026-10-25T01:00:00Z');
  const instants = fc.oneof(
    fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2035, 0, 1) }),
    fc.integer({ min: change - 30 * HOUR, max: change + 30 * HOUR }),
  );
  const starts = fc.record({ weekday: fc.integer({ min: 0, max: 6 }), day: fc.integer({ min: 1, max: 31 }) });
  fc.assert(
    fc.property(
      fc.constantFrom(...LENGTHS),
      fc.constantFrom(...zones),
      starts,
      instants,
      (length, timeZone, start, instant) => {
        const calendar = new Calendar(length, timeZone, start);
        const period = calendar.periodAt(instant);
        assert.ok(period.start <= instant && instant < period.end);
        assert.equal(calendar.periodAt(period.end).start, period.end);
        assert.deepEqual(new Calendar(length, timeZone, start).periodAt(period.start), period);
        assert.deepEqual(new Calendar(length, timeZone, start).periodAt(period.end - 1), period);
      },
    ),
    { numRuns: 300 },
  );
});

test('an unknown time zone is an error and not UTC', () => {
  assert.throws(() => calendarOf('day', 'Europe/Atlantis'), RangeError);
});

test('one calendar serves every limit of its length, zone and start', () => {
  assert.equal(calendarOf('day', 'Europe/Paris'), calendarOf('day', 'Europe/Paris'));
  assert.notEqual(calendarOf('day', 'Europe/Paris'), calendarOf('month', 'Europe/Paris'));
  const other = { weekday: 0, day: 15 };
  assert.equal(calendarOf('day', 'Europe/Paris', other), calendarOf('day', 'Europe/Paris'));
  assert.notEqual(calendarOf('week', 'Europe/Paris', other), calendarOf('week', 'Europe/Paris'));
  assert.equal(calendarOf('month', 'UTC', other), calendarOf('month', 'UTC', { weekday: 3, day: 15 }));
});
