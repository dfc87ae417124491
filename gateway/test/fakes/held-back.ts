/** For tests of calls that limits hold back: who says what, in which order it arrived, and that nothing is left of it. */
import assert from 'node:assert/strict';
import { type Scene, setScene } from './scene.ts';
import { VirtualClock } from './virtual-clock.ts';

/** By then whatever was logged is written. */
const FLUSH_MS = 10_000;

/** A provider that answers at once, or after so many milliseconds of a clock of its own, which `answer` moves on. */
export async function startScene(limits: string, delayMs: number | null = null) {
  const providerClock = new VirtualClock();
  const scene = await setScene({
    limits,
    providerClock,
    targets: [delayMs === null ? {} : { faults: [{ kind: 'delay', ms: delayMs }] }],
  });
  return { scene, answer: () => providerClock.advance(delayMs ?? 0), provider: scene.providers[0]! };
}

/** A call in one piece that says this. */
export const words = (text: string) => ({ stream: false, body: { messages: [{ role: 'user', content: text }] } });

/** What the provider was asked, in order. */
export const asked = (scene: Scene) =>
  scene.providers[0]!.requests.map(
    ({ body }) => (JSON.parse(body.toString()) as { messages: readonly { content: string }[] }).messages[0]!.content,
  );

/** When everything is over: nothing is held, nobody waits, and no timer but those of an idle gateway is left. */
export async function nothingIsLeft({ gateway, clock, ledger }: Scene): Promise<void> {
  await ledger();
  assert.equal(gateway.waiting, 0);
  assert.equal(await gateway.limits.held(), 0);
  clock.advance(FLUSH_MS);
  await using idle = await setScene();
  assert.equal(clock.pending, idle.clock.pending, 'timers');
}
