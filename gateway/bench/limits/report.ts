/** The tables of the limit stores. Pure. */
import { aligned, ranged } from '../report.ts';
import type { StoreOutcome, StoreScenario } from './scenario.ts';

export function storeTable({ title, figures }: StoreScenario, { absent, rows }: StoreOutcome): string {
  if (absent !== null) return `${title}: absent: ${absent}`;
  const lines = rows.map(({ row, figures: of, failures }) => [
    `  ${row}`,
    ...figures.map(({ name, digits }) => ranged(of[name] ?? null, digits)),
    String(failures),
  ]);
  return aligned([[title, ...figures.map(({ name }) => name), 'failed'], ...lines]).join('\n');
}
