/** What is measured of the limit stores: scenarios that need no HTTP, each in processes of its own. */
import type { Cores } from '../children.ts';
import { type Spread, spreadOf } from '../statistics.ts';

export interface StoreSite {
  /** An empty folder of its own. */
  readonly folder: string;
  readonly cores: Cores | null;
  readonly random: () => number;
  readonly progress: (line: string) => void;
  readonly rounds: number;
  /** Short windows. */
  readonly quick: boolean;
}

/** A column of the table. */
export interface Figure {
  readonly name: string;
  readonly digits: number;
}

/** What one round gave for one row of the table. */
export interface Reading {
  readonly round: number;
  readonly row: string;
  /** By the name of the figure. */
  readonly figures: Readonly<Record<string, number>>;
  /** Decisions that were not as expected. */
  readonly failures: number;
}

export interface StoreScenario {
  readonly name: string;
  readonly title: string;
  readonly figures: readonly Figure[];
  /** Why it cannot be measured on this machine; null when it can. */
  missing(): string | null;
  /** The caller ends the processes (see children.ts), also when this throws. */
  run(site: StoreSite): Promise<Reading[]>;
}

export interface StoreRow {
  readonly row: string;
  readonly figures: Readonly<Record<string, Spread>>;
  readonly failures: number;
}

export interface StoreOutcome {
  readonly scenario: string;
  /** Why it is not in the run; null when it is. */
  readonly absent: string | null;
  readonly readings: readonly Reading[];
  readonly rows: readonly StoreRow[];
}

/** Medians over the rounds in which every decision was as expected, in the order in which rows were first read. */
export function rowsOf(readings: readonly Reading[]): StoreRow[] {
  return [...Map.groupBy(readings, ({ row }) => row)].map(([row, mine]) => {
    const figures: Record<string, Spread> = {};
    const valid = mine.filter(({ failures }) => failures === 0);
    for (const name of Object.keys(mine[0]!.figures)) {
      const spread = spreadOf(valid.map((reading) => reading.figures[name]!).filter(Number.isFinite));
      if (spread !== null) figures[name] = spread;
    }
    return { row, figures, failures: mine.reduce((sum, { failures }) => sum + failures, 0) };
  });
}
