/** The hot keys of `limits-leased`. */
import type { Sharing } from '../../src/policy/limit.ts';

export interface HotKey {
  readonly row: string;
  readonly sharing: Sharing;
  /** How many limits bind it. */
  readonly limits: number;
  /** Requests made; null: flat out, one after the other. */
  readonly perSecond: number | null;
  /** What a bucket lets through of them, a second; null: all. */
  readonly atMost: number | null;
  /** Whether it is promised that few of its requests reach Redis. */
  readonly promised: boolean;
}

const PER_SECOND = 500;
const steady = { limits: 1, perSecond: PER_SECOND, atMost: null, promised: true } as const;

export const EXACT = `exact, ${PER_SECOND}/s`;

export const HOT_KEYS: readonly HotKey[] = [
  { ...steady, row: EXACT, sharing: 'exact', promised: false },
  { ...steady, row: `leased, ${PER_SECOND}/s`, sharing: 'leased' },
  { ...steady, row: `leased, 3 limits, ${PER_SECOND}/s`, sharing: 'leased', limits: 3 },
  { ...steady, row: `leased, ${PER_SECOND}/s of which 100 pass`, sharing: 'leased', atMost: 100 },
  { ...steady, row: 'leased, flat out', sharing: 'leased', perSecond: null },
];
