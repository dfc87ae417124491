/**
 * Ids that are over without having been held: charged at once, or settled before they reserved.
 *
 * Invariants
 *  (1) Ids are in order of expiry, because all are remembered equally long.
 */
export class Over {
  readonly #expiries = new Map<string, number>();
  readonly #rememberMs: number;

  constructor(rememberMs: number) {
    this.#rememberMs = rememberMs;
  }

  has(id: string): boolean {
    return this.#expiries.size > 0 && this.#expiries.has(id);
  }

  add(id: string, now: number): void {
    this.#expiries.delete(id);
    this.#expiries.set(id, now + this.#rememberMs);
  }

  forget(now: number): void {
    if (this.#expiries.size === 0) return;
    for (const [id, expiry] of this.#expiries) {
      if (expiry > now) return;
      this.#expiries.delete(id);
    }
  }
}
