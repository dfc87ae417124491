/** Judges answers: each is exactly the bytes that the upstream sent, or the refusal that is due. */
import { BodyCheck } from './body-check.ts';
import type { BodyListener } from './connection.ts';

/** What every answer must be. A refusal has this status and this text at the beginning of its body. */
export type Expected = { kind: 'same-bytes'; body: Buffer } | { kind: 'refusal'; status: number; containing: string };

export interface Fault {
  readonly text: string;
  /** The status was right and the body was not. */
  readonly mismatch: boolean;
}

const SHOWN_CHARACTERS = 300;

export class Verdict implements BodyListener {
  readonly #expected: Expected;
  readonly #check: BodyCheck;
  #beginning = '';

  constructor(expected: Expected) {
    this.#expected = expected;
    this.#check = new BodyCheck(expected.kind === 'same-bytes' ? expected.body : Buffer.alloc(0));
  }

  begin(): void {
    this.#beginning = '';
    this.#check.begin();
  }

  take(part: Buffer): void {
    if (this.#expected.kind === 'same-bytes') this.#check.take(part);
    if (this.#beginning.length < SHOWN_CHARACTERS) this.#beginning += part.toString('latin1', 0, SHOWN_CHARACTERS);
  }

  /** What is wrong with the answer that just ended; null when it is as expected. */
  fault(status: number): Fault | null {
    const expected = this.#expected;
    const right = expected.kind === 'same-bytes' ? 200 : expected.status;
    const beginning = this.#beginning.slice(0, SHOWN_CHARACTERS);
    if (status !== right) return { text: `status ${status}: ${beginning}`, mismatch: false };
    const good = expected.kind === 'same-bytes' ? this.#check.passed() : this.#beginning.includes(expected.containing);
    return good ? null : { text: `not the expected body: ${beginning}`, mismatch: true };
  }
}
