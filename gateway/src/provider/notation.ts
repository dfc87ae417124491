/**
 * Faults and paces as text, as they are written on the command line and behind a model name.
 *
 *   fault    status=500 · delay=2s · first-token=10s · stall=5 · cut=20 · cut=300B · close=20 · reset=300B · error=5 ·
 *            garbage=http|json|sse · empty · no-done · silent
 *   chance   a fault and how often: `status=500:10%`; without a percentage: always
 *   model    a name, and behind `@` chances, `ttft=`, `pace=` and `tokens=`, with commas: `sim@ttft=1s,pace=20ms,cut=5:50%`
 */
import type { Cut } from './cut.ts';
import type { Fault, Point } from './faults.ts';

/** A fault that befalls a share of the requests. */
export interface Chance {
  readonly fault: Fault;
  /** 0 to 1. */
  readonly rate: number;
}

/** What the name of a model asks for beyond the model. */
export interface ModelWishes {
  readonly ttftMs?: number;
  readonly paceMs?: number;
  readonly tokens?: number;
  readonly chances: readonly Chance[];
}

/** Text that is not in the notation; the message says what would be. */
export class NotationError extends Error {}

const MS = { ms: 1, s: 1000, m: 60_000 } as const;

/** `200ms`, `1.5s`, `2m` or `0`, in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text);
  if (match !== null) return Number(match[1]) * MS[match[2] as keyof typeof MS];
  if (text === '0') return 0;
  throw new NotationError(`"${text}" is no duration: write 200ms, 1.5s or 2m`);
}

export function parseCount(text: string, least = 1): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count >= least) return count;
  throw new NotationError(`"${text}" is no whole number from ${least}`);
}

/** `whole`, `event`, `random`, `utf8`, `crlf`, or a number of bytes. */
export function parseCut(text: string): Cut {
  if (text === 'whole' || text === 'event' || text === 'random' || text === 'utf8' || text === 'crlf') return text;
  if (/^\d/.test(text)) return { bytes: parseCount(text) };
  throw new NotationError(`"${text}" is no cut: write whole, event, random, utf8, crlf or a number of bytes`);
}

export function parseChance(text: string): Chance {
  const match = /^(.*?)(?::(\d+(?:\.\d+)?)%)?$/.exec(text)!;
  const percent = match[2] === undefined ? 100 : Number(match[2]);
  if (percent > 100) throw new NotationError(`"${text}" is more often than always: write 0% to 100%`);
  return { fault: parseFault(match[1]!), rate: percent / 100 };
}

export function parseModel(model: string): ModelWishes {
  const wishes: { ttftMs?: number; paceMs?: number; tokens?: number; chances: Chance[] } = { chances: [] };
  const at = model.indexOf('@');
  if (at === -1) return wishes;
  for (const wish of model.slice(at + 1).split(',')) {
    const [key, value = ''] = wish.split('=');
    if (key === 'ttft') wishes.ttftMs = parseDuration(value);
    else if (key === 'pace') wishes.paceMs = parseDuration(value);
    else if (key === 'tokens') wishes.tokens = parseCount(value);
    else wishes.chances.push(parseChance(wish));
  }
  return wishes;
}

function parseFault(text: string): Fault {
  const [kind, value = ''] = text.split('=');
  switch (kind) {
    case 'status':
      if (!/^[2-5]\d\d$/.test(value)) throw new NotationError(`"${value}" is no HTTP status: write 200 to 599`);
      return { kind, status: Number(value) };
    case 'delay':
    case 'first-token':
      return { kind, ms: parseDuration(value) };
    case 'stall':
    case 'cut':
    case 'close':
    case 'reset':
      return { kind, after: parsePoint(value) };
    case 'error':
      return { kind, afterEvents: parseCount(value, 0) };
    case 'garbage':
      if (value === 'http' || value === 'json' || value === 'sse') return { kind, what: value };
      throw new NotationError(`"${value}" is no garbage: write http, json or sse`);
    case 'empty':
    case 'no-done':
    case 'silent':
      if (value === '') return { kind };
  }
  throw new NotationError(`"${text}" is no fault: see headgate provider --help`);
}

/** `20`: events; `300B`: bytes. */
function parsePoint(text: string): Point {
  return text.endsWith('B') ? { bytes: parseCount(text.slice(0, -1), 0) } : { events: parseCount(text, 0) };
}
