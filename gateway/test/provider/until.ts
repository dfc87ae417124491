/** Lets the sockets of this process do their work until `holds`, without letting time pass on any clock. */
export async function until(holds: () => boolean, turnsMax = 200_000): Promise<void> {
  for (let turns = 0; !holds(); turns++) {
    if (turns === turnsMax) throw new Error(`it never came to hold: ${holds}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
