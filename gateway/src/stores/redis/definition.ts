/**
 * What the scripts need to know of a limit, worked out once for each.
 *
 * To a script a limit is six numbers: whether it only reports, needed, wanted, and
 *   s  sliding window   amount, window ms, 0
 *   b  token bucket     unit, refill, capacity (policy/token-bucket.ts)
 *   l  leaky bucket     the same
 *   q  calendar quota   amount, start and end of the period
 *   c  concurrency      amount, lease ms, 0
 */
import { type Calendar, calendarOf } from '../../policy/calendar.ts';
import { type BoundLimit, capacityOf, type Limit } from '../../policy/limit.ts';

export type Kind = 's' | 'b' | 'l' | 'q' | 'c';

interface Definition {
  readonly kind: Kind;
  /** What counters of this limit begin with: the kind and the dimension, so that a change of either starts anew. */
  readonly name: string;
  readonly reports: 0 | 1;
  /** The last three numbers, as text; of a quota without its period. */
  readonly own: string;
  readonly calendar: Calendar | null;
  /** Of a concurrency limit, in milliseconds; otherwise 0. */
  readonly leaseMs: number;
}

const definitions = new WeakMap<Limit, Definition>();

export function definitionOf(limit: Limit): Definition {
  let definition = definitions.get(limit);
  if (definition === undefined) {
    definition = define(limit);
    definitions.set(limit, definition);
  }
  return definition;
}

function define(limit: Limit): Definition {
  const { algorithm, amount, dimension, onExceed } = limit;
  const of = (kind: Kind, own: readonly number[], calendar: Calendar | null = null, leaseMs = 0): Definition => ({
    kind,
    name: `${kind}:${dimension}:`,
    reports: onExceed === 'report' ? 1 : 0,
    own: own.join(','),
    calendar,
    leaseMs,
  });
  switch (algorithm.kind) {
    case 'slidingWindow':
      return of('s', [amount, algorithm.windowMs, 0]);
    case 'tokenBucket':
    case 'leakyBucket': {
      const divisor = gcd(amount, algorithm.windowMs);
      const unit = algorithm.windowMs / divisor;
      return of(algorithm.kind === 'tokenBucket' ? 'b' : 'l', [unit, amount / divisor, capacityOf(limit) * unit]);
    }
    case 'calendar':
      return of('q', [amount], calendarOf(algorithm.period, algorithm.timeZone, algorithm.start));
    case 'concurrency':
      return of('c', [amount, algorithm.leaseMs, 0], null, algorithm.leaseMs);
  }
}

/** The name of the counter that `bound` is counted on at `now`. */
export function counterOf({ limit, counter }: BoundLimit, now: number): string {
  const { name, calendar } = definitionOf(limit);
  return calendar === null ? name + counter : `${name}${counter}@${calendar.periodAt(now).start}`;
}

/** The six numbers, each after a comma. */
export function encode(limit: Limit, needed: number, wanted: number, now: number): string {
  const { reports, own, calendar } = definitionOf(limit);
  if (calendar === null) return `,${reports},${needed},${wanted},${own}`;
  const { start, end } = calendar.periodAt(now);
  return `,${reports},${needed},${wanted},${own},${start},${end}`;
}

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
