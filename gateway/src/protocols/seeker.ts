/** Finds a string again and again, going forward only; what was found ahead is kept, so that a text is searched once. */
export class Seeker {
  readonly #text: string;
  readonly #needle: string;
  #found = -1;

  constructor(text: string, needle: string) {
    this.#text = text;
    this.#needle = needle;
  }

  /** The offset of the first one at or after `from`; Infinity when there is none. `from` never goes back. */
  next(from: number): number {
    if (this.#found < from) {
      const at = this.#text.indexOf(this.#needle, from);
      this.#found = at < 0 ? Number.POSITIVE_INFINITY : at;
    }
    return this.#found;
  }
}
