/** What the story promises, each kept or broken. */

export class Promises {
  broken = 0;
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Says whether `promise` was kept; `found` is what was seen instead. */
  check(kept: boolean, promise: string, found: string): void {
    if (!kept) this.broken++;
    this.#say(kept ? `  kept    ${promise}` : `  BROKEN  ${promise}: ${found}`);
  }

  equal(actual: number, expected: number, promise: string): void {
    this.check(actual === expected, `${expected} ${promise}`, `${actual}`);
  }
}
