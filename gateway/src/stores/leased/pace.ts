/** How busy one counter is in this process. Times are monotonic, in milliseconds. */

/** What a part is to cover is judged by this long: long enough to smooth bursts, short enough to follow them. */
const PERIOD_MS = 2000;
/** A counter is hot where {@link SHARING} requests arrive in this time: 300 a second. */
const HOT_MS = 200;
/** How many requests at least share one question to the store, however little remains, where a counter is hot. */
const SHARING = 60;
/** A counter that nobody asked for in this time is forgotten. */
const IDLE_MS = 60_000;

export class Pace {
  readonly #units = new Tally(PERIOD_MS);
  readonly #takes = new Tally(PERIOD_MS);
  readonly #requests = new Tally(HOT_MS);
  #latest = Number.NEGATIVE_INFINITY;

  /** A request was decided, whichever way. */
  decided(now: number): void {
    this.#requests.add(1, now);
    this.#latest = now;
  }

  took(units: number): void {
    this.#units.add(units, this.#latest);
    this.#takes.add(1, this.#latest);
  }

  /** What was taken in the busier of the latest two periods. */
  unitsAt(now: number): number {
    return this.#units.mostAt(now);
  }

  isIdleAt(now: number): boolean {
    return now - this.#latest >= IDLE_MS;
  }

  isHotAt(now: number): boolean {
    return this.#requests.mostAt(now) >= SHARING;
  }

  /** How long {@link SHARING} requests take to arrive where the counter is hot; 0 where it is not. */
  pauseAt(now: number): number {
    return this.isHotAt(now) ? Math.ceil((SHARING * HOT_MS) / this.#requests.mostAt(now)) : 0;
  }

  /** What {@link SHARING} requests take where the counter is hot; 0 where it is not. */
  leastAt(now: number): number {
    const takes = this.#takes.mostAt(now);
    return this.isHotAt(now) && takes > 0 ? Math.ceil((SHARING * this.unitsAt(now)) / takes) : 0;
  }
}

/** A sum over the current period, and over the one before it. */
class Tally {
  readonly #periodMs: number;
  #endsAt = Number.NEGATIVE_INFINITY;
  #sum = 0;
  #before = 0;

  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  add(amount: number, now: number): void {
    if (now >= this.#endsAt) this.#turn(now);
    this.#sum += amount;
  }

  mostAt(now: number): number {
    if (now >= this.#endsAt) this.#turn(now);
    return Math.max(this.#sum, this.#before);
  }

  #turn(now: number): void {
    this.#before = now < this.#endsAt + this.#periodMs ? this.#sum : 0;
    this.#sum = 0;
    this.#endsAt = now + this.#periodMs;
  }
}
