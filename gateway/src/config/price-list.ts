/**
 * Prices that are not configured, from `@pydantic/genai-prices`. A price is used for the exact id of a model, or for another
 * name that the list says equals it: the list's own matching by prefix and pattern is for estimates, and would price
 * `claude-x-free` as `claude-x`.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { MatchLogic, ModelInfo, ModelPrice, Provider } from '@pydantic/genai-prices';
import type { Prices } from '../policy/money.ts';
import { parsePrice } from './quantity.ts';

export type Looked =
  /** `note` says when the price can be too low, else null. */
  { readonly prices: Prices; readonly note: string | null } | { readonly unknown: string };

type List = typeof import('@pydantic/genai-prices');

const PACKAGE = '@pydantic/genai-prices';

/** Prices that a chat, completion or embedding can meet. A price in any unit that is not here makes the model unknown. */
const COUNTED = new Set(['input_mtok', 'output_mtok', 'cache_read_mtok', 'cache_write_mtok']);
/** Prices of media and tools, which the endpoints served here do not count apart. */
const APART = /audio|image|video|web_searches|storage_searches|cache_write_1h/;

/** What `model` costs at the provider with this name or at this address, on the day of `nowMs`. */
export function lookUpPrices(
  provider: { name: string; origin: string; basePath: string },
  model: string,
  nowMs: number,
): Looked {
  const { list, version } = priceList();
  const known = providerAt(list, provider.origin + provider.basePath) ?? providerNamed(list, provider.name);
  if (known === undefined) return { unknown: 'the price list does not know the provider' };
  const info = known.models.find(({ id }) => id === model) ?? known.models.find(({ match }) => equals(match, model));
  if (info === undefined) return { unknown: `the price list has no model of exactly this name for ${known.id}` };
  const current = priceOn(info, nowMs);
  if (current === null) return { unknown: 'in the price list its price depends on the time of day' };
  const source = `${PACKAGE} ${version} ${known.id}/${info.id}`;
  return exact(current, source);
}

/** Whether `name` is one of those that the list gives a model by equality, alone or among others. */
function equals(match: MatchLogic, name: string): boolean {
  if ('or' in match) return match.or.some((one) => equals(one, name));
  return 'equals' in match && match.equals === name;
}

function exact(price: ModelPrice, source: string): Looked {
  const unit = Object.keys(price).find((name) => !COUNTED.has(name) && !APART.test(name));
  if (unit !== undefined) return { unknown: `the price list has a price by ${unit} for it, which is not counted here` };
  const input = pico(price['input_mtok']);
  if (input === null) return { unknown: 'the price list has no exact input price for it' };
  // Embeddings have no output. Were one used for it all the same, nothing unknown may count as free.
  const output = price['output_mtok'] === undefined ? input : pico(price['output_mtok']);
  const cacheRead = price['cache_read_mtok'] === undefined ? input : pico(price['cache_read_mtok']);
  const cacheWrite = price['cache_write_mtok'] === undefined ? input : pico(price['cache_write_mtok']);
  if (output === null || cacheRead === null || cacheWrite === null) {
    return { unknown: 'the price list has a price for it that is finer than a millionth of a dollar' };
  }
  const tiered = [...COUNTED].some((name) => typeof price[name] === 'object');
  return {
    prices: { input, output, cacheRead, cacheWrite, source: tiered ? `${source}, base tier` : source },
    note: tiered ? 'the price list has dearer tiers for long inputs; the base tier is used for all' : null,
  };
}

/** USD per million tokens as the list has it, to pico-dollars per token, by its shortest decimal text. */
function pico(price: ModelPrice[string]): number | null {
  if (price === undefined) return null;
  const parsed = parsePrice(String(typeof price === 'number' ? price : price.base));
  return 'value' in parsed ? parsed.value : null;
}

/** The price in force, or null when it changes during the day. The list puts later prices behind earlier ones. */
function priceOn(info: ModelInfo, nowMs: number): ModelPrice | null {
  if (!Array.isArray(info.prices)) return info.prices;
  if (info.prices.some(({ constraint }) => constraint?.type === 'time_of_date')) return null;
  const started = info.prices.filter(
    ({ constraint }) => constraint?.type !== 'start_date' || Date.parse(constraint.start_date) <= nowMs,
  );
  return started.at(-1)?.prices ?? null;
}

function providerNamed(list: List, name: string): Provider | undefined {
  const found = list.findProvider({ providerId: name });
  return found?.id === name ? found : undefined;
}

/** The provider whose address this is. The list's patterns are not anchored, so what they match must end with the host. */
function providerAt(list: List, url: string): Provider | undefined {
  const found = list.findProvider({ providerApiUrl: url });
  const match = found === undefined ? null : new RegExp(found.api_pattern).exec(url);
  if (match === null || match.index !== 0) return undefined;
  return /^(?:[:/]|$)/.test(url.slice(match[0].length)) || match[0].endsWith('/') ? found : undefined;
}

/** Loaded when the first price is looked up: it takes 20 MB, which a gateway with its own prices does not need. */
let loaded: { list: List; version: string } | null = null;

function priceList(): { list: List; version: string } {
  if (loaded === null) {
    const require = createRequire(import.meta.url);
    const file = join(dirname(require.resolve(PACKAGE)), '..', 'package.json');
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
    loaded = { list: require(PACKAGE) as List, version };
  }
  return loaded;
}
