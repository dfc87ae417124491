/** What the ledger and its thread say to each other. Types only. */
import type { RequestRecord } from '../../call.ts';
import type { Dimension, Level } from '../../policy/limit.ts';
import type { Ingested } from './segment.ts';

export type Question =
  /** Opens and migrates the database. */
  | { readonly kind: 'open' }
  /** Stores the segment at `path` and deletes it. */
  | { readonly kind: 'ingest'; readonly path: string }
  | {
      readonly kind: 'usedSince';
      readonly level: Level;
      readonly subject: string;
      readonly dimension: Dimension;
      readonly sinceMs: number;
    }
  | { readonly kind: 'recent'; readonly most: number }
  /** Checkpoints and closes the database. */
  | { readonly kind: 'close' };

export interface Answers {
  open: null;
  ingest: Ingested;
  usedSince: number;
  recent: readonly RequestRecord[];
  close: null;
}

export interface Asked {
  readonly number: number;
  readonly question: Question;
}

export type Answered =
  | { readonly number: number; readonly answer: Answers[keyof Answers] }
  | { readonly number: number; readonly failure: string };
