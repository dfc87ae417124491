/** Explanations for a terminal. */
import { waitText } from '../admit/refusal.ts';
import type { CallExplanation, ExplainedLimit, RequestExplanation } from '../explain/document.ts';
import { retryInWords } from '../explain/outlook.ts';
import { shortDollars } from '../policy/money.ts';

export function requestText({ words, foundIn, states }: RequestExplanation): string {
  const others =
    states.length < 2 ? [] : ['', 'All limits at that moment:', ...states.map(({ words }) => `  ${words}`)];
  const from =
    foundIn === 'ledger'
      ? 'From the ledger: how the limits stood at that moment is kept in memory for the latest calls only.'
      : 'From the memory of this gateway: the limits are as they stood when they decided.';
  return `${[...words, ...others, '', from].join('\n')}\n`;
}

export function callText(explanation: CallExplanation): string {
  const { at, configVersion, key, model, endUser, limits, targets, verdict, refused, upgrades } = explanation;
  const user = endUser === null ? '' : ` for end user ${endUser}`;
  const lines = [
    `${key.id} (${key.tierName}) to ${model.name}${user}: ${counted(limits.length, 'limit')} at ${at}, configuration ${configVersion}`,
    '',
    sizeText(explanation),
    sentence(verdict.words),
  ];
  if (refused === null && verdict.consequence?.does === 'degrade') {
    lines.push(`Then see: headgate explain --key ${key.id} --model ${verdict.consequence.model}`);
  }
  if (limits.length > 0) {
    lines.push('', ...table(limits, refused === null ? verdict.limit : null), '', ...limits.flatMap(limitLines));
  }
  for (const target of targets.filter((each) => each.limits.length > 0)) {
    lines.push('', `Target ${target.id}, whoever calls it:`, '', ...table(target.limits, null), '');
    lines.push(...target.limits.flatMap(limitLines));
  }
  lines.push('', upgradeText(explanation.key.tierName, upgrades));
  return `${lines.join('\n')}\n`;
}

function sizeText({ request }: CallExplanation): string {
  const { inputTokens, outputTokens, costUsd } = request;
  const cost = costUsd === null ? 'at an unknown price' : `up to ${Number(costUsd)} USD`;
  return `For requests of ${number(inputTokens)} input and ${number(outputTokens)} output tokens, ${cost}:`;
}

/** The states, one limit a line; the first to stop such requests has a mark. */
function table(limits: readonly ExplainedLimit[], binding: string | null): string[] {
  const rows = limits.map((limit) => {
    const { state, outlook } = limit;
    const amounts = [limit.amount, state.used, state.reserved, state.remaining].map((amount) =>
      amountText(limit, amount),
    );
    const resets = state.resetMs === 0 ? '-' : waitText(state.resetMs);
    const passing = outlook.passing === null ? 'all' : number(outlook.passing);
    return [limit.id === binding ? '*' : '', limit.id, ...amounts, resets, passing, retryInWords(outlook)];
  });
  const all = [['', 'limit', 'amount', 'used', 'reserved', 'remaining', 'empty in', 'passing', 'one passes'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row
      .map((cell, column) => (column > 1 && column < 8 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

function limitLines(limit: ExplainedLimit): string[] {
  const {
    id,
    words,
    subject,
    source,
    algorithm,
    onStoreError,
    unusual,
    consequence,
    decisions,
    overrun,
    onExceed,
    outlook,
  } = limit;
  const lines = [
    `${id}, ${source}, of ${subject}`,
    `  ${words}`,
    `  bound: ${algorithm.bound}; ${AWAY[onStoreError]} while the store does not answer`,
  ];
  if (unusual.includes('overrun')) {
    lines.push(
      `  overrun ${overrun}: a stream that needs more than is left is ${overrun === 'hard' ? 'ended' : 'finished into debt'}`,
    );
  }
  if (unusual.includes('sharing'))
    lines.push('  leased: each gateway holds a part of the amount and decides by itself while it lasts');
  lines.push(`  over it: ${consequence.words}`);
  if (onExceed === 'report' && outlook.passing === 0)
    lines.push('  such a request is over it now: it would be refused');
  const counts = Object.entries(decisions).filter(([, count]) => count > 0);
  if (counts.length > 0) {
    lines.push(
      `  over all whom it binds, since this gateway started: ${counts.map(([decision, count]) => `${number(count)} ${DECIDED[decision as keyof typeof DECIDED]}`).join(', ')}`,
    );
  }
  return lines;
}

const DECIDED = {
  refused: 'refused',
  queued: 'queued',
  degraded: 'degraded',
  cut: 'cut short',
  wouldRefuse: 'would have been refused',
} as const satisfies Record<keyof ExplainedLimit['decisions'], string>;

const AWAY: Readonly<Record<ExplainedLimit['onStoreError'], string>> = {
  localShare: 'each gateway enforces its share of the amount',
  closed: 'nothing passes',
  open: 'everything passes',
};

function upgradeText(tier: string, upgrades: CallExplanation['upgrades']): string {
  if (upgrades.length === 0) return `There is no tier above ${tier}.`;
  const steps = upgrades.map(({ name, url }) => (url === null ? name : `${name} (${url})`));
  return `Above ${tier}: ${steps.join(', then ')}.`;
}

function amountText({ unit }: ExplainedLimit, amount: number): string {
  return unit === 'nanoUsd' ? `${shortDollars(amount)} USD` : number(amount);
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function counted(count: number, noun: string): string {
  return `${count === 0 ? 'no' : count} ${noun}${count === 1 ? '' : 's'}`;
}

function sentence(words: string): string {
  return `${words[0]!.toUpperCase()}${words.slice(1)}.`;
}
