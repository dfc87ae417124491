/** Prometheus' text format: samples and histograms as lines. */

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number | Histogram;
}

/** Upper bounds in seconds; generations take from milliseconds to many minutes. */
const BOUNDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600];

export class Histogram {
  count = 0;
  sum = 0;
  /** How many fell into each bucket, the last one being everything above. Not cumulative. */
  readonly buckets: number[] = new Array(BOUNDS.length + 1).fill(0);

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < BOUNDS.length && seconds > BOUNDS[bucket]!) bucket++;
    this.buckets[bucket]! += 1;
    this.count++;
    this.sum += seconds;
  }

  add(other: Histogram): void {
    for (const [bucket, count] of other.buckets.entries()) this.buckets[bucket]! += count;
    this.count += other.count;
    this.sum += other.sum;
  }
}

/** The lines of one metric; samples with the same labels are added up, as a series may appear once only. */
export function lines(name: string, samples: readonly Sample[]): string {
  const merged = new Map<string, Sample>();
  for (const { labels, value } of samples) {
    const key = text(labels);
    const before = merged.get(key)?.value;
    if (value instanceof Histogram) {
      const sum = before instanceof Histogram ? before : new Histogram();
      sum.add(value);
      merged.set(key, { labels, value: sum });
    } else merged.set(key, { labels, value: value + (typeof before === 'number' ? before : 0) });
  }
  let out = '';
  for (const [key, { labels, value }] of merged) {
    out += value instanceof Histogram ? histogramLines(name, labels, value) : `${name}${key} ${value}\n`;
  }
  return out;
}

function histogramLines(name: string, labels: Labels, { buckets, count, sum }: Histogram): string {
  let out = '';
  let total = 0;
  for (const [bucket, inBucket] of buckets.entries()) {
    total += inBucket;
    const le = bucket < BOUNDS.length ? String(BOUNDS[bucket]) : '+Inf';
    out += `${name}_bucket${text({ ...labels, le })} ${total}\n`;
  }
  return `${out}${name}_sum${text(labels)} ${sum}\n${name}_count${text(labels)} ${count}\n`;
}

function text(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
