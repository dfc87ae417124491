/**
 * A store across the network did not do what it was asked: it could not be reached, did not answer in time, or answered with an
 * error. Whether the call took effect, nobody knows.
 */
export class StoreUnavailable extends Error {
  /** `cause`: a few words for the log, such as `connection refused`; never an address, a credential or a value. */
  constructor(cause: string) {
    super(cause);
    this.name = 'StoreUnavailable';
  }
}
