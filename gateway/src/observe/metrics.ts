/**
 * What is counted for Prometheus, and its text (exposition format 0.0.4,
 * https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Our own, because prom-client makes a label string for every increment of every metric, which alone costs a tenth of a request.
 * Here a call finds one row, and each of its attempts another, and adds to plain numbers; names and labels are made when somebody
 * scrapes.
 *
 * Invariants
 *  (1) Counters never go down while the process lives.
 *  (2) There are at most {@link ROWS_MAX} rows of each kind; what comes after is counted in one row whose labels say `other`.
 */
import type { AttemptRecord, RequestRecord } from '../call.ts';
import { NANO_PER_USD } from '../policy/money.ts';
import { Histogram, type Labels, lines, type Sample } from './exposition.ts';
import { METRICS, type MetricKey } from './names.ts';

export const ROWS_MAX = 2000;
const OTHER = 'other';

/** Calls that are alike in everything that labels tell apart. */
interface CallRow {
  readonly operation: string;
  readonly model: string;
  readonly tier: string;
  readonly outcome: string;
  readonly code: string;
  count: number;
  readonly duration: Histogram;
  readonly firstToken: Histogram;
}

interface AttemptRow {
  readonly model: string;
  readonly target: string;
  readonly outcome: string;
  readonly estimated: string;
  count: number;
  unpriced: number;
  nanoDollars: number;
  input: number;
  cacheRead: number;
  cacheWrite: number;
  output: number;
  reasoning: number;
}

/** What can be decided about a call in the name of one limit. */
export type LimitDecision = 'refused' | 'queued' | 'degraded' | 'cut' | 'would_refuse';

interface DecisionRow {
  readonly limit: string;
  readonly decision: LimitDecision;
  count: number;
}

/** Figures that are read when somebody scrapes. */
export type Gauges = Partial<Record<MetricKey, { readonly value: number; readonly labels?: Labels }>>;

export class Metrics {
  readonly #calls = new Map<string, CallRow>();
  readonly #attempts = new Map<string, AttemptRow>();
  readonly #decisions = new Map<string, DecisionRow>();

  /** Counts one call that is over. `heldBy`: the limit that made it wait or sent it to another model; null when none did. */
  count(record: RequestRecord, heldBy: string | null = null): void {
    const operation = record.operation ?? 'none';
    const model = record.model ?? 'none';
    const tier = record.tier ?? 'none';
    const code = record.code ?? '';
    const { outcome } = record;
    const key = `${operation} ${model} ${tier} ${outcome} ${code}`;
    const row = this.#calls.get(key) ?? this.#newCall(key, operation, model, tier, outcome, code);
    row.count++;
    row.duration.observe(record.durationMs / 1000);
    if (record.firstTokenMs !== null) row.firstToken.observe(record.firstTokenMs / 1000);
    for (const attempt of record.attempts) this.#countAttempt(model, attempt);
    if (record.limit !== null) this.#decided(record.limit, outcome === 'cut_by_limit' ? 'cut' : 'refused');
    if (heldBy !== null && record.degradedFrom !== null) this.#decided(heldBy, 'degraded');
    else if (heldBy !== null) this.#decided(heldBy, 'queued');
    for (const limit of record.reported) this.#decided(limit, 'would_refuse');
  }

  /** How often `limit` decided so. */
  decided(limit: string, decision: LimitDecision): number {
    return this.#decisions.get(`${limit} ${decision}`)?.count ?? 0;
  }

  /** The samples of every metric but the gauges that others keep. */
  samples(): Map<MetricKey, Sample[]> {
    const all = new Map<MetricKey, Sample[]>();
    const add = (metric: MetricKey, labels: Labels, value: number | Histogram): void => {
      const samples = all.get(metric) ?? [];
      samples.push({ labels, value });
      all.set(metric, samples);
    };
    for (const { operation, model, tier, outcome, code, count, duration, firstToken } of this.#calls.values()) {
      add('requests', { operation, model, tier, outcome }, count);
      if (code !== '') add('refusals', { code, tier }, count);
      add('duration', { operation, model }, duration);
      if (firstToken.count > 0) add('firstToken', { operation, model }, firstToken);
    }
    for (const row of this.#attempts.values()) {
      const { model, target, outcome, estimated } = row;
      add('attempts', { model, target, outcome }, row.count);
      const tokens = { input: row.input, cache_read: row.cacheRead, cache_write: row.cacheWrite };
      for (const [kind, value] of Object.entries({ ...tokens, output: row.output, reasoning: row.reasoning })) {
        if (value > 0) add('tokens', { model, target, kind, estimated }, value);
      }
      if (row.unpriced > 0) add('unpriced', { model, target }, row.unpriced);
      if (row.nanoDollars > 0) add('cost', { model, target }, row.nanoDollars / NANO_PER_USD);
    }
    for (const { limit, decision, count } of this.#decisions.values()) {
      add('limitDecisions', { limit, decision }, count);
    }
    return all;
  }

  #decided(limit: string, decision: LimitDecision): void {
    const key = `${limit} ${decision}`;
    const row = this.#decisions.get(key) ?? this.#newDecision(key, limit, decision);
    row.count++;
  }

  #newDecision(key: string, limit: string, decision: LimitDecision): DecisionRow {
    const other = `${OTHER} ${decision}`;
    if (this.#decisions.size >= ROWS_MAX && key !== other) {
      return this.#decisions.get(other) ?? this.#newDecision(other, OTHER, decision);
    }
    const row: DecisionRow = { limit, decision, count: 0 };
    this.#decisions.set(key, row);
    return row;
  }

  #countAttempt(model: string, attempt: AttemptRecord): void {
    const { target, outcome, usage, cost } = attempt;
    const key = `${model} ${target} ${outcome} ${usage.source}`;
    const row = this.#attempts.get(key) ?? this.#newAttempt(key, model, target, outcome, usage.source === 'estimated');
    row.count++;
    row.input += usage.inputTokens;
    row.cacheRead += usage.cacheReadTokens;
    row.cacheWrite += usage.cacheWriteTokens;
    row.output += usage.outputTokens;
    row.reasoning += usage.reasoningTokens;
    if (cost === null) row.unpriced++;
    else row.nanoDollars += cost;
  }

  #newCall(key: string, operation: string, model: string, tier: string, outcome: string, code: string): CallRow {
    if (this.#calls.size >= ROWS_MAX && key !== OTHER) {
      return this.#calls.get(OTHER) ?? this.#newCall(OTHER, OTHER, OTHER, OTHER, OTHER, code === '' ? '' : OTHER);
    }
    const histograms = { duration: new Histogram(), firstToken: new Histogram() };
    const row: CallRow = { operation, model, tier, outcome, code, count: 0, ...histograms };
    this.#calls.set(key, row);
    return row;
  }

  #newAttempt(key: string, model: string, target: string, outcome: string, estimated: boolean): AttemptRow {
    if (this.#attempts.size >= ROWS_MAX && key !== OTHER) {
      return this.#attempts.get(OTHER) ?? this.#newAttempt(OTHER, OTHER, OTHER, OTHER, estimated);
    }
    const zero = {
      count: 0,
      unpriced: 0,
      nanoDollars: 0,
      input: 0,
      cacheRead: 0,
      cacheWrite: 0,
      output: 0,
      reasoning: 0,
    };
    const row: AttemptRow = { model, target, outcome, estimated: String(estimated), ...zero };
    this.#attempts.set(key, row);
    return row;
  }
}

/** The exposition text of every metric, with the gauges as they are now. */
export function render(metrics: Metrics, gauges: Gauges): string {
  const counted = metrics.samples();
  let out = '';
  for (const key of Object.keys(METRICS) as MetricKey[]) {
    const { name, type, help } = METRICS[key];
    const gauge = gauges[key];
    const samples =
      gauge === undefined ? (counted.get(key) ?? []) : [{ labels: gauge.labels ?? {}, value: gauge.value }];
    out += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines(name, samples)}`;
  }
  return out;
}
