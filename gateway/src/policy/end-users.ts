/**
 * Names of end users, in a form and a number that counters can bear: callers choose them, so without a bound anybody could make
 * a counter for every call.
 *
 * Invariants
 *  (1) At most `NAMES_MAX` names are told apart for one organization in one hour of the clock; whoever is named later in that
 *      hour counts as `EVERYBODY_ELSE`, together.
 *  (2) A name has at most 65 characters, of which none means anything in a counter's name, and is the same in every process.
 *  (3) Only names of the running hour are kept.
 */

/** Names told apart for one organization in one hour. */
export const NAMES_MAX = 10_000;

/** Who has no name of their own. No end user has this name: a raw `*` is hashed. */
export const EVERYBODY_ELSE = '*';

const HOUR_MS = 3_600_000;
const PLAIN = /^[A-Za-z0-9._@+-]{1,64}$/;

export class EndUsers {
  readonly #hash: (text: string) => string;
  #hour = 0;
  readonly #names = new Map<string, Set<string>>();

  /** `hash` answers at most 64 letters and digits, different ones for different texts. */
  constructor(hash: (text: string) => string) {
    this.#hash = hash;
  }

  /** The name under which `raw` would be counted for `organization` at `nowMs`, for one who only asks: it takes no place. */
  wouldBe(organization: string, raw: string, nowMs: number): string {
    const name = this.#plain(raw);
    const names = Math.floor(nowMs / HOUR_MS) > this.#hour ? undefined : this.#names.get(organization);
    return names === undefined || names.size < NAMES_MAX || names.has(name) ? name : EVERYBODY_ELSE;
  }

  /** The name under which `raw`, as the call gives it, is counted for `organization` at `nowMs`. */
  name(organization: string, raw: string, nowMs: number): string {
    const hour = Math.floor(nowMs / HOUR_MS);
    if (hour > this.#hour) {
      this.#hour = hour;
      this.#names.clear();
    }
    const name = this.#plain(raw);
    let names = this.#names.get(organization);
    if (names === undefined) {
      names = new Set();
      this.#names.set(organization, names);
    }
    if (names.has(name)) return name;
    if (names.size >= NAMES_MAX) return EVERYBODY_ELSE;
    names.add(name);
    return name;
  }

  #plain(raw: string): string {
    return PLAIN.test(raw) ? raw : `#${this.#hash(raw)}`;
  }
}
