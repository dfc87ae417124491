/**
 * The lowest level since any past moment, in bounded memory.
 *
 * A token bucket asks it how much of a late refund still exists: what refill paid back meanwhile cannot be given back again.
 *
 * Invariants
 *  (1) Marks are in order of `seq` and strictly rising in `level`: each is the lowest level from there on.
 *  (2) At most MOST marks. Thinning them only lowers answers, which makes refunds smaller and never larger.
 */

const MOST = 64;

export class LowWater {
  #seqs: number[] = [];
  #levels: number[] = [];

  /** Notes that the level was `level` just before event `seq`, which is later than every event noted so far. */
  note(seq: number, level: number): void {
    this.#drop(this.#levels.length, level);
    if (this.#levels.length === MOST) this.#thin();
    this.#seqs.push(seq);
    this.#levels.push(level);
  }

  /** The lowest level noted after event `seq`; Infinity when none was. */
  since(seq: number): number {
    return this.#levels[this.#after(seq)] ?? Number.POSITIVE_INFINITY;
  }

  /** Lowers every level noted after event `seq` by `by`, which is at most {@link since} of it. */
  lower(seq: number, by: number): void {
    const after = this.#after(seq);
    for (let index = after; index < this.#levels.length; index++) this.#levels[index]! -= by;
    const level = this.#levels[after];
    if (level !== undefined) this.#drop(after, level);
  }

  /** Replaces each level by what `convert`, which must be monotone, makes of it. */
  convert(convert: (level: number) => number): void {
    this.#levels = this.#levels.map(convert);
  }

  /** The index of the first mark after event `seq`. */
  #after(seq: number): number {
    let low = 0;
    let high = this.#seqs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#seqs[middle]! > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Removes the marks before index `end` that are not below `level`. */
  #drop(end: number, level: number): void {
    let start = end;
    while (start > 0 && this.#levels[start - 1]! >= level) start--;
    if (start === end) return;
    if (end === this.#levels.length) {
      this.#seqs.length = start;
      this.#levels.length = start;
    } else {
      this.#seqs.splice(start, end - start);
      this.#levels.splice(start, end - start);
    }
  }

  /** Joins each pair of marks into the later moment at the lower level. */
  #thin(): void {
    const half = MOST / 2;
    for (let index = 0; index < half; index++) {
      this.#seqs[index] = this.#seqs[2 * index + 1]!;
      this.#levels[index] = this.#levels[2 * index]!;
    }
    this.#seqs.length = half;
    this.#levels.length = half;
  }
}
