/**
 * Calendar periods in IANA time zones.
 *
 * A day, week, month or year begins at the first instant that has its local date, whatever the clocks do: a day lasts 23, 24 or
 * 25 hours, and where midnight is skipped the day begins right after. An hour or a minute is one on the local clock face; an
 * hour that the clocks repeat is two periods. Weeks, months and years begin where their {@link CalendarStart} says. Periods of one
 * calendar partition time: one ends where the next begins.
 */
import type { CalendarPeriod, CalendarStart } from './limit.ts';

/** [start, end) in milliseconds since the epoch. */
export interface Period {
  readonly start: number;
  readonly end: number;
}

/** Weeks from Monday on (ISO 8601), months and years from the 1st on. */
export const USUAL_START: CalendarStart = { weekday: 1, day: 1 };

/** Periods of one length in one zone. Asking within the period asked for last costs two comparisons. */
export class Calendar {
  readonly #length: CalendarPeriod;
  readonly #start: CalendarStart;
  readonly #offsetAt: OffsetAt;
  #latest: Period = { start: 0, end: 0 };

  /** Throws a RangeError when the runtime does not know the time zone. */
  constructor(length: CalendarPeriod, timeZone: string, start: CalendarStart = USUAL_START) {
    this.#length = length;
    this.#start = start;
    this.#offsetAt = offsetsOf(timeZone);
  }

  /** The period that contains `instant`. */
  periodAt(instant: number): Period {
    if (instant < this.#latest.start || instant >= this.#latest.end) this.#latest = this.#find(instant);
    return this.#latest;
  }

  #find(instant: number): Period {
    switch (this.#length) {
      case 'minute':
        return onClockFace(instant, 60_000, this.#offsetAt);
      case 'hour':
        return onClockFace(instant, 3_600_000, this.#offsetAt);
      default:
        return ofDates(instant, this.#length, this.#start, this.#offsetAt);
    }
  }
}

const calendars = new Map<string, Calendar>();

/**
 * The one calendar of this length, zone and start, of which only what matters to the length is compared. Throws a RangeError when
 * the runtime does not know the time zone.
 */
export function calendarOf(length: CalendarPeriod, timeZone: string, start: CalendarStart = USUAL_START): Calendar {
  const key = `${length} ${beginningOf(length, start)} ${timeZone}`;
  let calendar = calendars.get(key);
  if (calendar === undefined) {
    calendar = new Calendar(length, timeZone, start);
    calendars.set(key, calendar);
  }
  return calendar;
}

/** The part of `start` on which periods of this length depend; 0: none. */
function beginningOf(length: CalendarPeriod, { weekday, day }: CalendarStart): number {
  if (length === 'week') return weekday;
  return length === 'month' || length === 'year' ? day : 0;
}

/** Milliseconds that local time is ahead of UTC at an instant. */
type OffsetAt = (instant: number) => number;

function offsetsOf(timeZone: string): OffsetAt {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (instant) => {
    const field: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of format.formatToParts(instant)) field[type] = Number(value);
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = field;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000;
  };
}

function onClockFace(instant: number, length: number, offsetAt: OffsetAt): Period {
  const offset = offsetAt(instant);
  const start = Math.floor((instant + offset) / length) * length - offset;
  const end = start + length;
  // Clocks that change in the middle (Lord Howe moves by half an hour) end one period and begin another.
  return {
    start: offsetAt(start) === offset ? start : changeBetween(start, instant, offsetAt),
    end: offsetAt(end - 1) === offset ? end : changeBetween(instant, end - 1, offsetAt),
  };
}

function ofDates(
  instant: number,
  length: 'day' | 'week' | 'month' | 'year',
  start: CalendarStart,
  offsetAt: OffsetAt,
): Period {
  const local = new Date(instant + offsetAt(instant));
  const year = local.getUTCFullYear();
  const month = local.getUTCMonth();
  const day = local.getUTCDate();
  const bounds = (first: number, next: number): Period => ({
    start: firstInstantOf(first, offsetAt),
    end: firstInstantOf(next, offsetAt),
  });
  switch (length) {
    case 'day':
      return bounds(Date.UTC(year, month, day), Date.UTC(year, month, day + 1));
    case 'week': {
      const first = day - ((local.getUTCDay() - start.weekday + 7) % 7);
      return bounds(Date.UTC(year, month, first), Date.UTC(year, month, first + 7));
    }
    case 'month': {
      const first = day < dayIn(year, month, start) ? month - 1 : month;
      return bounds(anchor(year, first, start), anchor(year, first + 1, start));
    }
    case 'year': {
      const first = month === 0 && day < start.day ? year - 1 : year;
      return bounds(anchor(first, 0, start), anchor(first + 1, 0, start));
    }
  }
}

/** The day on which a period begins in this month, which may be shorter than `start` has it. */
function dayIn(year: number, month: number, { day }: CalendarStart): number {
  return Math.min(day, new Date(Date.UTC(year, month + 1, 0)).getUTCDate());
}

/** The local midnight with which a period begins in this month, written as if it were UTC; `month` may be before or after the year. */
function anchor(year: number, month: number, start: CalendarStart): number {
  return Date.UTC(year, month, dayIn(year, month, start));
}

/** Farther than any offset is from UTC, so that a change of clocks near midnight lies in between. */
const BEYOND_ANY_OFFSET_MS = 36 * 3_600_000;

/** The first instant at which the local clock shows `local` (written as if it were UTC) or, when that is skipped, later. */
function firstInstantOf(local: number, offsetAt: OffsetAt): number {
  const before = offsetAt(local - BEYOND_ANY_OFFSET_MS);
  const after = offsetAt(local + BEYOND_ANY_OFFSET_MS);
  const early = local - before;
  if (offsetAt(early) === before) return early;
  const late = local - after;
  if (offsetAt(late) === after) return late;
  return changeBetween(late, early, offsetAt);
}

/** The first instant with the offset that holds at `high`; at `low` another one holds. */
function changeBetween(low: number, high: number, offsetAt: OffsetAt): number {
  const offset = offsetAt(high);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle) === offset) high = middle;
    else low = middle;
  }
  return high;
}
