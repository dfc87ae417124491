/** What the ledger and its thread say to each other. Types only. */
import type { RequestRecord } from '../../call.ts';
import type { Amounts } from '../../policy/limit.ts';
import type { UseFilter } from '../ledger-store.ts';
import type { Ingested } from './segment.ts';

export type Question =
  /** Opens and migrates the database. */
  | { readonly kind: 'open' }
  /** Stores the segment at `path` and deletes it. */
  | { readonly kind: 'ingest'; readonly path: string }
  | { readonly kind: 'usedSince'; readonly filter: UseFilter; readonly sinceMs: number; readonly untilMs: number }
  | { readonly kind: 'endUsersSince'; readonly organization: string; readonly sinceMs: number }
  | { readonly kind: 'recent'; readonly most: number }
  | { readonly kind: 'find'; readonly id: string }
  /** Checkpoints and closes the database. */
  | { readonly kind: 'close' };

export interface Answers {
  open: null;
  ingest: Ingested;
  usedSince: Amounts;
  endUsersSince: readonly string[];
  recent: readonly RequestRecord[];
  find: RequestRecord | null;
  close: null;
}

export interface Asked {
  readonly number: number;
  readonly question: Question;
}

export type Answered =
  | { readonly number: number; readonly answer: Answers[keyof Answers] }
  | { readonly number: number; readonly failure: string };
