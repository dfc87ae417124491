/** Waiting for what sockets, threads and processes do: for a state, never for time to pass. */
import { systemClock } from '../../src/clock.ts';

const GIVE_UP_MS = 20_000;

/** Lets this process work until `holds`; throws when it never does. No virtual clock moves meanwhile. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const giveUpAt = systemClock.monotonic() + GIVE_UP_MS;
  while (!holds()) {
    if (systemClock.monotonic() > giveUpAt) throw new Error(`it never came to pass: ${what}`);
    await turns(1);
  }
}

/** Lets the event loop turn so often; bytes that are on their way inside this process arrive meanwhile. */
export async function turns(count = 50): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
