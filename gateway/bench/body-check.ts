/**
 * Verifies bodies as they arrive: each part is compared with the bytes that must be there, so that a body passes only
 * when it is identical (what equal SHA-256 sums would show, at the cost of a memcmp) and speed from dropping, repeating or
 * reordering data is impossible.
 */
export class BodyCheck {
  readonly #expected: Buffer;
  #at = 0;
  #same = true;

  constructor(expected: Buffer) {
    this.#expected = expected;
  }

  begin(): void {
    this.#at = 0;
    this.#same = true;
  }

  take(part: Buffer): void {
    const end = this.#at + part.length;
    this.#same &&= end <= this.#expected.length && this.#expected.compare(part, 0, part.length, this.#at, end) === 0;
    this.#at = end;
  }

  /** Whether all that arrived since `begin` is exactly what was expected. */
  passed(): boolean {
    return this.#same && this.#at === this.#expected.length;
  }
}
