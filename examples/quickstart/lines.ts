/** Requests and events as short lines for a terminal. */
import { styleText } from 'node:util';
import type { RequestRecord } from '../../gateway/src/call.ts';
import { shortDollars } from '../../gateway/src/policy/money.ts';
import { inputOf, outputOf } from '../../gateway/src/policy/usage.ts';

/** `14:03:07  200  free  chat-small  12 + 60 tokens, 0.0000246 USD, 1.4 s` */
export function requestLine(record: RequestRecord): string {
  const { at, status, tier, model, operation, code } = record;
  const known = [tier, model ?? operation].flatMap((each) => each?.padEnd(10) ?? []);
  const colour = status < 400 ? 'green' : status < 500 ? 'yellow' : 'red';
  const columns = [timeOf(at), styleText(colour, String(status)), ...known];
  return [...columns, code === null ? servedText(record) : refusedText(record)].join('  ');
}

function servedText({ usage, cost, durationMs, streamed }: RequestRecord): string {
  const seconds = `${(durationMs / 1000).toFixed(1)} s${streamed ? ', streamed' : ''}`;
  if (usage.source === 'none') return seconds;
  const price = cost === null ? '' : `, ${shortDollars(cost)} USD`;
  return `${inputOf(usage)} + ${outputOf(usage)} tokens${price}, ${seconds}`;
}

function refusedText({ status, code, limit }: RequestRecord): string {
  const what = status < 400 ? 'ended early' : 'refused';
  return limit === null ? `${what}: ${code}` : `${what}: ${code} (${limit})`;
}

/** What happened, and the reasons that were given for it. */
export function eventLine(message: string, fields: Readonly<Record<string, unknown>> = {}): string {
  const { problems, err } = fields;
  const reasons = Array.isArray(problems) ? problems : err instanceof Error ? [err.message] : [];
  return [`${timeOf(Date.now())}  ${message}`, ...reasons.map((reason) => `            ${reason}`)].join('\n');
}

/** The time of day on this machine's clock. */
function timeOf(at: number): string {
  return styleText('dim', new Date(at).toTimeString().slice(0, 8));
}
