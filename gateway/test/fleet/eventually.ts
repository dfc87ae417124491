/** Waiting for what other processes do, as only asking them tells. */
import { systemClock } from '../../src/clock.ts';
import { turns } from '../fakes/until.ts';

const GIVE_UP_MS = 20_000;

/** Asks again and again until `holds`; how long that took, in milliseconds. Throws when it never does. */
export async function eventually(what: string, holds: () => Promise<boolean>): Promise<number> {
  const from = systemClock.monotonic();
  while (!(await holds())) {
    // What is answered at once must not keep everything else from happening.
    await turns(1);
    if (systemClock.monotonic() - from > GIVE_UP_MS) throw new Error(`it never came to pass: ${what}`);
  }
  return systemClock.monotonic() - from;
}
