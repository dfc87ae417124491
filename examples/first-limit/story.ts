/** The story in three parts, each of which promises something. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Asked, burst, patiently, type Refusal } from './ask.ts';
import type { Promises } from './promises.ts';

const RAPID = 20;
const ALLOWED = 5;
const REFUSED = RAPID - ALLOWED;
const MINUTE_MS = 60_000;
/** Clocks are read in whole milliseconds, on each side. */
const ROUNDING_MS = 1;
/** How far apart the refusals of one burst may announce the same moment, in milliseconds: a busy gateway writes some later. */
const SAME_MOMENT_MS = 100;
/** How long before the announced moment a request must still be refused, in milliseconds: time enough to be answered before it. */
const TOO_EARLY_MS = 500;

export interface Stage {
  /** The gateway, as an SDK is told. */
  readonly baseURL: string;
  /** The endpoint itself, for its count. */
  readonly endpoint: string;
  readonly say: (line: string) => void;
  readonly promises: Promises;
  /** The window of the tier `quick`, in milliseconds. */
  readonly quickWindowMs: number;
}

/** 20 requests at once, 5 a minute allowed. */
export async function rapidRequests({ baseURL, endpoint, say, promises }: Stage): Promise<void> {
  say(`\n1. ${RAPID} requests at once, where ${ALLOWED} a minute are allowed\n`);
  const asked = await burst(baseURL, 'sk-first-limit', RAPID);
  for (const line of table(asked)) say(line);
  const refusals = refusalsOf(asked);
  say(`\n  "${refusals[0]?.message ?? ''}"\n`);

  promises.equal(asked.length - refusals.length, ALLOWED, 'requests were admitted');
  promises.equal(await served(endpoint), ALLOWED, 'requests reached the endpoint, by its own count');
  promises.equal(refusals.length, REFUSED, 'requests were refused');
  const wrong = refusals.filter(
    ({ status, code, limit }) =>
      status !== 429 || code !== 'rate_limit_exceeded' || limit !== 'starter.requests-per-minute',
  );
  promises.check(
    wrong.length === 0,
    'each refusal is a 429 rate_limit_exceeded that names starter.requests-per-minute',
    JSON.stringify(wrong[0]),
  );
  const untrue = asked.filter((each) => each.refusal !== null && !announcesTruly(each, each.refusal, asked));
  promises.check(
    untrue.length === 0,
    'each retry-after ends when the first admitted request is a minute old',
    JSON.stringify(untrue[0]),
  );
}

/** Whether the announced moment is a minute after the first request was admitted, and each header leads to it. */
function announcesTruly({ sentAt, answeredAt }: Asked, refusal: Refusal, asked: readonly Asked[]): boolean {
  const { retryAfter, retryAfterMs, resetsAt } = refusal;
  const admittedAt = resetsAt - MINUTE_MS;
  const refusedAt = resetsAt - retryAfterMs;
  return (
    admittedAt >= Math.min(...asked.map((each) => each.sentAt)) - ROUNDING_MS &&
    admittedAt <= Math.min(...asked.map((each) => each.answeredAt)) + SAME_MOMENT_MS &&
    refusedAt >= sentAt - ROUNDING_MS &&
    refusedAt <= answeredAt + ROUNDING_MS &&
    retryAfter === Math.ceil(retryAfterMs / 1000)
  );
}

/** Is a request let in at the moment that the refusals announce, and not before? */
export async function announcedMoment({ baseURL, say, promises, quickWindowMs }: Stage): Promise<void> {
  say(`\n2. Waiting for the announced moment, where ${ALLOWED} ${windowText(quickWindowMs)} are allowed\n`);
  const key = 'sk-first-limit-probe';
  const refusals = refusalsOf(await burst(baseURL, key, RAPID));
  const moments = refusals.map(({ resetsAt }) => resetsAt);
  const first = Math.min(...moments);
  const last = Math.max(...moments);
  promises.equal(refusals.length, REFUSED, 'requests were refused');
  promises.check(last - first <= SAME_MOMENT_MS, 'all of them announce the same moment', `${last - first} ms apart`);

  await until(first - TOO_EARLY_MS);
  const [early] = await burst(baseURL, key, 1);
  const stillRefused = early?.refusal !== null;
  promises.check(stillRefused, `a request ${TOO_EARLY_MS} ms before it is refused`, 'it was answered');
  await until(first);
  const [due] = await burst(baseURL, key, 1);
  promises.check(due?.refusal === null, 'a request at the earliest of them is answered', JSON.stringify(due?.refusal));
}

/** 20 requests at once, from a client that backs off. */
export async function backOff({ baseURL, endpoint, say, promises, quickWindowMs }: Stage): Promise<void> {
  say(
    `\n3. ${RAPID} requests from a client that backs off, where ${ALLOWED} ${windowText(quickWindowMs)} are allowed\n`,
  );
  const before = await served(endpoint);
  const { answeredAfterMs, failures, refusals } = await patiently(baseURL, 'sk-first-limit-patient', RAPID);
  const last = Math.max(...answeredAfterMs);
  for (let from = 0; from <= last; from += quickWindowMs) {
    const to = from + quickWindowMs;
    const answered = answeredAfterMs.filter((at) => at >= from && at < to).length;
    say(`  ${`${from / 1000} to ${to / 1000} s`.padEnd(14)}${answered} answered`);
  }
  say(`\n  ${refusals} refusals on the way, which the SDK waited out by itself\n`);
  promises.equal(
    answeredAfterMs.length,
    RAPID,
    `of ${RAPID} requests completed${failures[0] ? `; ${failures[0]}` : ''}`,
  );
  promises.equal((await served(endpoint)) - before, RAPID, 'reached the endpoint, by its own count');
}

function table(asked: readonly Asked[]): string[] {
  const rows = asked.map(({ number, sentAt, answeredAt, refusal }) => {
    const took = `${answeredAt - sentAt} ms`.padStart(7);
    const wait = refusal === null ? '' : `${refusal.retryAfter} s (${refusal.retryAfterMs} ms)`;
    return `  ${String(number).padStart(7)}  ${refusal?.status ?? 200}     ${took}  ${wait}`.trimEnd();
  });
  return ['  request  status     took  retry-after', ...rows];
}

function refusalsOf(asked: readonly Asked[]): Refusal[] {
  return asked.flatMap(({ refusal }) => refusal ?? []);
}

/** How many chat requests reached the endpoint so far. */
async function served(endpoint: string): Promise<number> {
  const answer = (await (await fetch(`${endpoint}/served`)).json()) as { chat: number };
  return answer.chat;
}

/** Resolves at the first millisecond that is not before `at`. */
async function until(at: number): Promise<void> {
  while (Date.now() < at) await sleep(at - Date.now());
}

function windowText(windowMs: number): string {
  return windowMs === MINUTE_MS ? 'a minute' : `in ${windowMs / 1000} s`;
}
