/**
 * What the answers of a model teach about the next one: how many bytes of a request make a token, and how long answers are.
 *
 * Sources: the input ratio is an exponentially weighted mean over what providers report, as in arXiv 2604.09613, which needs no
 * tokenizer; the 95th percentile is read from a histogram whose buckets grow by a quarter of a power of two, so that it is at most
 * 25 % too high and never too low for what was seen.
 *
 * Invariants
 *  (1) All figures are integers. An estimate decides how much is reserved, never what is charged.
 *  (2) Old answers count less and less: every HALVE_AFTER answers the histogram counts half of what it did.
 */

/** Bytes per token before anything was learnt: JSON of English text has a little over 4, other scripts in UTF-8 about 3. */
export const BYTES_PER_TOKEN = 4;

const THOUSAND = 1000;
/** A new answer moves the mean by a 16th of the difference. */
const WEIGHT = 16;
/** No text has more bytes in a token, and none fewer: a provider that reports nonsense must not decide what is reserved. */
const RATIO_MIN = THOUSAND / 2;
const RATIO_MAX = 16 * THOUSAND;
const STEPS_PER_OCTAVE = 4;
const HALVE_AFTER = 1024;
/** Fewer answers than these say nothing of the 95th percentile. */
const ENOUGH = 20;

export class LearntModel {
  /** Thousandths of bytes per input token. */
  #ratio = BYTES_PER_TOKEN * THOUSAND;
  readonly #answers: number[] = [];
  #seen = 0;
  #total = 0;

  /** Thousandths of bytes per input token: from 500 to 16,000. */
  get milliBytesPerToken(): number {
    return this.#ratio;
  }

  /** Notes that a request of `bytes` had `tokens` input tokens. Requests with inline media teach nothing: leave them out. */
  input(bytes: number, tokens: number): void {
    if (tokens < 1) return;
    const seen = Math.min(RATIO_MAX, Math.max(RATIO_MIN, Math.round((bytes * THOUSAND) / tokens)));
    this.#ratio += Math.round((seen - this.#ratio) / WEIGHT);
  }

  /** Notes that an answer had `tokens` output tokens. */
  output(tokens: number): void {
    const bucket = bucketOf(tokens);
    this.#answers[bucket] = (this.#answers[bucket] ?? 0) + 1;
    this.#total++;
    this.#seen++;
    if (this.#seen % HALVE_AFTER === 0) this.#halve();
  }

  /** Output tokens that 95 % of the answers stay below, or null while too few have been seen. */
  get p95(): number | null {
    if (this.#seen < ENOUGH) return null;
    let above = Math.floor((this.#total * 5) / 100);
    for (let bucket = this.#answers.length - 1; bucket >= 0; bucket--) {
      above -= this.#answers[bucket] ?? 0;
      if (above < 0) return ceilingOf(bucket);
    }
    return null;
  }

  #halve(): void {
    this.#total = 0;
    for (let bucket = 0; bucket < this.#answers.length; bucket++) {
      const half = Math.floor((this.#answers[bucket] ?? 0) / 2);
      this.#answers[bucket] = half;
      this.#total += half;
    }
  }
}

/** By model name; models are few, since the configuration names them. */
export class Learnt {
  readonly #models = new Map<string, LearntModel>();

  /** What is known of `model`: nothing yet, the first time. */
  of(model: string): LearntModel {
    let learnt = this.#models.get(model);
    if (learnt === undefined) {
      learnt = new LearntModel();
      this.#models.set(model, learnt);
    }
    return learnt;
  }
}

/** The bucket of an answer of `tokens`: four for each power of two. */
function bucketOf(tokens: number): number {
  if (tokens < 1) return 0;
  const octave = Math.floor(Math.log2(tokens));
  const base = 2 ** octave;
  return 1 + octave * STEPS_PER_OCTAVE + Math.floor(((tokens - base) * STEPS_PER_OCTAVE) / base);
}

/** The most tokens of an answer in `bucket`. */
function ceilingOf(bucket: number): number {
  if (bucket === 0) return 0;
  const octave = Math.floor((bucket - 1) / STEPS_PER_OCTAVE);
  const step = ((bucket - 1) % STEPS_PER_OCTAVE) + 1;
  return (
    Math.ceil((2 ** octave * (STEPS_PER_OCTAVE + step)) / STEPS_PER_OCTAVE) - (2 ** octave >= STEPS_PER_OCTAVE ? 1 : 0)
  );
}
