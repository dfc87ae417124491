/** Models and their targets, with prices looked up and limits bound. */
import type { Model, Provider, Target } from '../call.ts';
import { counterOf } from '../policy/applicable.ts';
import type { BoundLimit } from '../policy/limit.ts';
import type { Prices } from '../policy/money.ts';
import type { LimitRule } from './limit-rule.ts';
import type { LimitBook } from './limits.ts';
import { lookUpPrices } from './price-list.ts';
import type { Path, Problem } from './problem.ts';
import { type Config, DEFAULT_TIMEOUTS } from './schema.ts';
import type { ConfiguredLimit } from './snapshot.ts';
import type { Source } from './source.ts';

export interface Models {
  readonly models: ReadonlyMap<string, Model>;
  /** By the name of the model: those written at it. */
  readonly limits: ReadonlyMap<string, readonly ConfiguredLimit[]>;
  /** Prices that are not known, or not well enough. */
  readonly warnings: readonly Problem[];
}

/** `now` in milliseconds since the epoch: prices have dates. */
export function modelsFrom(
  config: Config,
  providers: ReadonlyMap<string, Provider>,
  book: LimitBook,
  { source, now }: { readonly source: Source; readonly now: number },
): Models {
  const warnings: Problem[] = [];
  const limits = new Map<string, readonly ConfiguredLimit[]>();
  const targetOf = (written: WrittenTarget, path: Path): Target => {
    const provider = providers.get(written.provider)!;
    const { prices, note } = pricesOf(written, provider, now);
    if (note !== null) warnings.push(source.problem(path, note));
    const id = `${provider.name}/${written.model}`;
    return {
      id,
      provider,
      model: written.model,
      prices,
      timeouts: { ...DEFAULT_TIMEOUTS, ...config.providers[written.provider]!.timeouts, ...written.timeouts },
      limits: boundTo(id, written.limits, [...path, 'limits'], book),
    };
  };
  const models = Object.entries(config.models).map(([name, written]): [string, Model] => {
    const { targets, expectedOutputTokens, maxOutputTokens = null, reserve, unpriced, degradeTo = null } = written;
    const path = ['models', name];
    const most = maxOutputTokens ?? Number.POSITIVE_INFINITY;
    const { output, step } = reserve;
    const own = book.add(`model:${name}`, written.limits, [...path, 'limits']);
    limits.set(name, own);
    const model = {
      name,
      targets: targets.map((target, index) => targetOf(target, [...path, 'targets', index])),
      expectedOutputTokens: Math.min(expectedOutputTokens, most),
      maxOutputTokens,
      reserve: { output: typeof output === 'number' ? Math.min(output, most) : output, step },
      unpriced,
      degradeTo,
      limits: own,
    };
    return [name, model];
  });
  return { models: new Map(models), limits, warnings };
}

type WrittenTarget = Config['models'][string]['targets'][number];

/** The limits of a target. Its model's name is the provider's and may be any text, so it is made fit for a counter's name. */
function boundTo(target: string, rules: readonly LimitRule[], path: Path, book: LimitBook): BoundLimit[] {
  const subject = encodeURI(target.toWellFormed());
  const owner = `target:${subject}`;
  return book.add(owner, rules, path).map((limit) => ({
    limit,
    subject,
    counter: counterOf(limit, subject),
    shard: owner,
  }));
}

function pricesOf(
  target: WrittenTarget,
  provider: Provider,
  now: number,
): { prices: Prices | null; note: string | null } {
  if (target.price !== undefined) {
    const { input, output, cacheRead = input, cacheWrite = input } = target.price;
    return { prices: { input, output, cacheRead, cacheWrite, source: 'config' }, note: null };
  }
  const looked = lookUpPrices(provider, target.model, now);
  if ('prices' in looked) return looked;
  return { prices: null, note: `the price of ${target.model} is unknown: ${looked.unknown}; write one under price` };
}
