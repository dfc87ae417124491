/** Many calls at once, at a gateway whose provider answers nobody before the rest has been refused. */
import type { Received } from './http-client.ts';
import { type Ask, CHAT, type Stand, type StandOptions, startStand } from './stand.ts';
import { until } from './until.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface HeldStand {
  readonly stand: Stand;
  /** The gateway's. */
  readonly clock: VirtualClock;
  /** Lets the provider answer everybody who waits. */
  readonly release: () => void;
}

/** A provider that answers nobody before `release`, so that whatever is in flight is in flight together. */
export async function startHeld(options: StandOptions): Promise<HeldStand> {
  const held = new VirtualClock();
  const clock = new VirtualClock();
  const stand = await startStand({
    ...options,
    clock,
    providers: [{ clock: held, script: () => ({ faults: [{ kind: 'delay', ms: 1000 }] }) }],
  });
  return { stand, clock, release: () => held.advance(1000) };
}

/** Sends `count` at once, by turns as `asks` says; lets the provider answer when all but `admitted` are refused. In no order. */
export async function flood(
  { stand, release }: HeldStand,
  count: number,
  admitted: number,
  asks: readonly Ask[] = [{ body: CHAT }],
): Promise<readonly Received[]> {
  const before = stand.seen;
  const refused: Received[] = [];
  const all = Array.from({ length: count }, async (_, index) => {
    const received = await stand.ask(asks[index % asks.length]);
    if (received.status !== 200) refused.push(received);
    return received;
  });
  await until('the rest is refused', () => refused.length >= count - admitted && stand.seen - before === admitted);
  release();
  return await Promise.all(all);
}

export const countOf = (received: readonly Received[], wanted: number): number =>
  received.filter(({ status }) => status === wanted).length;

/** The body of a chat call whose worst case is exactly `tokens`: its bytes make `input` tokens, its cap is the rest. */
export function callOf(tokens: number, input: number, more: object = {}): string {
  const body = (content: string) =>
    JSON.stringify({ model: 'm', max_tokens: tokens - input, ...more, messages: [{ role: 'user', content }] });
  return body('x'.repeat(input * 4 - body('').length));
}
