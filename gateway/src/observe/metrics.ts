/**
 * Counters and histograms, and their text for Prometheus (exposition format 0.0.4,
 * https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Our own, because prom-client builds a label string for every increment, which alone costs a tenth of a request. Here a request
 * finds one row by the values it already has and adds to plain numbers; text is made when somebody scrapes.
 *
 * Invariants
 *  (1) Counters never go down while the process lives.
 *  (2) A metric holds at most {@link SERIES_MAX} label sets; what comes after is counted under `other`.
 */
import type { RequestRecord } from '../call.ts';
import { NANO_PER_USD } from '../policy/money.ts';
import { METRICS, type MetricKey } from './names.ts';

export const SERIES_MAX = 2000;
/** Seconds; generations take from milliseconds to many minutes. */
const BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600];

type Labels = Readonly<Record<string, string>>;

class Series {
  readonly #rows = new Map<string, { labels: string; value: number }>();

  add(key: string, labels: () => Labels, by: number): void {
    let row = this.#rows.get(key);
    if (row === undefined) {
      const full = this.#rows.size >= SERIES_MAX;
      row = full ? this.#rows.get('other') : undefined;
      if (row === undefined) {
        const set = labels();
        row = {
          labels: text(full ? Object.fromEntries(Object.keys(set).map((name) => [name, 'other'])) : set),
          value: 0,
        };
        this.#rows.set(full ? 'other' : key, row);
      }
    }
    row.value += by;
  }

  render(name: string, scale: number): string {
    let out = '';
    for (const row of this.#rows.values()) out += `${name}${row.labels} ${row.value / scale}\n`;
    return out;
  }
}

class Histogram {
  readonly #rows = new Map<string, { labels: Labels; counts: Float64Array; sum: number }>();

  observe(key: string, labels: () => Labels, seconds: number): void {
    let row = this.#rows.get(key);
    if (row === undefined) {
      if (this.#rows.size >= SERIES_MAX) return;
      row = { labels: labels(), counts: new Float64Array(BUCKETS.length + 1), sum: 0 };
      this.#rows.set(key, row);
    }
    let bucket = 0;
    while (bucket < BUCKETS.length && seconds > BUCKETS[bucket]!) bucket++;
    row.counts[bucket]! += 1;
    row.sum += seconds;
  }

  render(name: string): string {
    let out = '';
    for (const { labels, counts, sum } of this.#rows.values()) {
      let total = 0;
      for (let bucket = 0; bucket <= BUCKETS.length; bucket++) {
        total += counts[bucket]!;
        out += `${name}_bucket${text({ ...labels, le: bucket < BUCKETS.length ? String(BUCKETS[bucket]) : '+Inf' })} ${total}\n`;
      }
      out += `${name}_sum${text(labels)} ${sum}\n${name}_count${text(labels)} ${total}\n`;
    }
    return out;
  }
}

/** Figures that are read when somebody scrapes. */
export type Gauges = Partial<Record<MetricKey, { readonly value: number; readonly labels?: Labels }>>;

export class Metrics {
  readonly #series = new Map<MetricKey, Series>();
  readonly #histograms = new Map<MetricKey, Histogram>();

  /** Counts one call that is over. */
  count(record: RequestRecord): void {
    const operation = record.operation ?? 'none';
    const model = record.model ?? 'none';
    const tier = record.tier ?? 'none';
    const where = `${operation}|${model}|${tier}`;
    this.#add('requests', `${where}|${record.outcome}`, () => ({ operation, model, tier, outcome: record.outcome }), 1);
    if (record.code !== null) this.#add('refusals', `${record.code}|${tier}`, () => ({ code: record.code!, tier }), 1);
    this.#observe('duration', `${operation}|${model}`, () => ({ operation, model }), record.durationMs / 1000);
    if (record.firstTokenMs !== null) {
      this.#observe('firstToken', `${operation}|${model}`, () => ({ operation, model }), record.firstTokenMs / 1000);
    }
    for (const attempt of record.attempts) this.#attempt(model, attempt);
  }

  /** The exposition text, with the gauges as they are now. */
  render(gauges: Gauges): string {
    let out = '';
    for (const key of Object.keys(METRICS) as MetricKey[]) {
      const { name, type, help } = METRICS[key];
      out += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
      out += this.#series.get(key)?.render(name, key === 'cost' ? NANO_PER_USD : 1) ?? '';
      out += this.#histograms.get(key)?.render(name) ?? '';
      const gauge = gauges[key];
      if (gauge !== undefined) out += `${name}${text(gauge.labels ?? {})} ${gauge.value}\n`;
    }
    return out;
  }

  #attempt(model: string, attempt: RequestRecord['attempts'][number]): void {
    const { target, outcome, usage } = attempt;
    this.#add('attempts', `${model}|${target}|${outcome}`, () => ({ model, target, outcome }), 1);
    if (usage.source === 'none') return;
    const estimated = String(usage.source === 'estimated');
    const where = `${model}|${target}|${estimated}`;
    const tokens = (kind: string, by: number): void => {
      if (by > 0) this.#add('tokens', `${where}|${kind}`, () => ({ model, target, kind, estimated }), by);
    };
    tokens('input', usage.inputTokens);
    tokens('cache_read', usage.cacheReadTokens);
    tokens('cache_write', usage.cacheWriteTokens);
    tokens('output', usage.outputTokens);
    tokens('reasoning', usage.reasoningTokens);
    if (attempt.cost === null) this.#add('unpriced', `${model}|${target}`, () => ({ model, target }), 1);
    else this.#add('cost', `${model}|${target}`, () => ({ model, target }), attempt.cost);
  }

  #add(metric: MetricKey, key: string, labels: () => Labels, by: number): void {
    const series = this.#series.get(metric) ?? new Series();
    this.#series.set(metric, series);
    series.add(key, labels, by);
  }

  #observe(metric: MetricKey, key: string, labels: () => Labels, seconds: number): void {
    const histogram = this.#histograms.get(metric) ?? new Histogram();
    this.#histograms.set(metric, histogram);
    histogram.observe(key, labels, seconds);
  }
}

function text(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
