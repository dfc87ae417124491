/** What is measured: traffic, load and what an answer must be. */
import { JSON_MODEL, type Shape } from './traffic.ts';

export const SUBJECTS = ['floor', 'nginx', 'portkey', 'headgate', 'headgate-1-limit', 'headgate-12-limits'] as const;
export type SubjectName = (typeof SUBJECTS)[number];

/** Those that are compared with each other in every scenario of plain traffic. */
const GATEWAYS: readonly SubjectName[] = ['floor', 'nginx', 'portkey', 'headgate'];

/** Which key of the configuration a request presents; only Headgate looks at it. */
export type KeyName = 'load' | 'limited' | 'unknown';

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly shape: Shape;
  readonly key: KeyName;
  readonly subjects: readonly SubjectName[];
  readonly refusal: { readonly status: number; readonly containing: string } | null;
  /** CPU is divided by what comes out: requests, or the events of the streams. */
  readonly per: 'request' | 'event';
  /** The scenario whose floor and Portkey this one is compared with; usually itself. */
  readonly comparedWith: string;
  /** The subject with which the others are compared in particular; none unless said. */
  readonly base?: SubjectName;
  /** Windows for CPU: this many connections. `one-each`: every connection has one exchange, starts staggered. */
  readonly load:
    | { readonly connections: number; readonly durationMs: number; readonly everyMs: number | null }
    | { readonly connections: number; readonly durationMs: 'one-each' };
  /** The window with one connection for added latency; null: latency is taken from the load windows. */
  readonly latencyMs: number | null;
  /** At most this many rounds; it is left out of the rest. */
  readonly roundsMax: number;
}

export interface Plan {
  readonly rounds: number;
  /** Before the first round, each subject in each scenario: windows of load until so many requests or events came out, or so many windows. */
  readonly warmUp: { readonly windowMs: number; readonly out: number; readonly windowsMax: number };
  readonly scenarios: readonly Scenario[];
}

const JSON_1K: Shape = { model: JSON_MODEL, promptBytes: 1_000, stream: null };
const CONNECTIONS = 16;
const STREAMS = 50;
/**
 * Well below what the slowest subject can do. Flat out, a fast subject keeps the rig busy and seldom has to wake it, and answers many
 * requests in one turn of its loop, so that its CPU per request is not what it is under a load that it can carry.
 */
const STEADY_PER_SECOND = 500;

/**
 * V8 compiles what is hot in steps, on the core of the subject. Measured here, CPU per request of 1 KB JSON stops falling after
 * 20,000 to 30,000 requests in the floor and in Headgate (from 90 to 40 us and from 210 to 95 us), and after 4,000 in Portkey,
 * which serves no more in the time.
 */
const WARM = 30_000;

function stream(events: number, paceMs: number): Shape {
  return { model: `sse-${events}-${paceMs}`, promptBytes: 1_000, stream: { events, paceMs } };
}

/** A quick run has shorter windows, one round and shorter paced streams. */
export function planOf(quick: boolean): Plan {
  const windows = (full: number, short: number) => ({
    connections: CONNECTIONS,
    durationMs: quick ? short : full,
    everyMs: null,
  });
  const served = { key: 'load', subjects: GATEWAYS, refusal: null, roundsMax: 5 } as const;
  const refused = {
    shape: JSON_1K,
    subjects: ['headgate'],
    per: 'request',
    comparedWith: 'json-1k',
    roundsMax: 5,
  } as const;
  return {
    rounds: quick ? 1 : 5,
    warmUp: { windowMs: 1_000, out: WARM, windowsMax: quick ? 4 : 8 },
    scenarios: [
      {
        ...served,
        name: 'json-1k',
        title: '1 KB JSON',
        shape: JSON_1K,
        per: 'request',
        comparedWith: 'json-1k',
        load: windows(2_000, 1_000),
        latencyMs: quick ? 400 : 1_000,
      },
      {
        ...served,
        name: 'json-1k-steady',
        title: `1 KB JSON, ${STEADY_PER_SECOND} a second`,
        shape: JSON_1K,
        per: 'request',
        comparedWith: 'json-1k-steady',
        load: { ...windows(3_000, 1_000), everyMs: (CONNECTIONS * 1000) / STEADY_PER_SECOND },
        latencyMs: null,
      },
      {
        ...served,
        name: 'prompt-100k',
        title: '100 KB prompt',
        shape: { model: JSON_MODEL, promptBytes: 100_000, stream: null },
        per: 'request',
        comparedWith: 'prompt-100k',
        load: windows(1_500, 800),
        latencyMs: quick ? 300 : 750,
      },
      {
        ...served,
        name: 'sse-fast',
        title: 'SSE 300 events, fast',
        shape: stream(300, 0),
        per: 'event',
        comparedWith: 'sse-fast',
        load: windows(1_500, 800),
        latencyMs: quick ? 300 : 750,
      },
      {
        ...served,
        name: 'sse-paced',
        title: quick ? 'SSE 100 events, 20 ms apart' : 'SSE 300 events, 20 ms apart',
        shape: stream(quick ? 100 : 300, 20),
        per: 'event',
        comparedWith: 'sse-paced',
        load: { connections: STREAMS, durationMs: 'one-each' },
        latencyMs: null,
        roundsMax: 3,
      },
      {
        ...refused,
        name: 'limited',
        title: '429: over the limit',
        key: 'limited',
        refusal: { status: 429, containing: 'rate_limit_exceeded' },
        load: windows(1_000, 500),
        latencyMs: quick ? 200 : 500,
      },
      {
        ...refused,
        name: 'invalid-key',
        title: '401: unknown key',
        key: 'unknown',
        refusal: { status: 401, containing: 'invalid_api_key' },
        load: windows(1_000, 500),
        latencyMs: quick ? 200 : 500,
      },
      {
        ...served,
        name: 'journey-limits',
        title: '1 KB JSON under 1 and under 12 limits',
        shape: JSON_1K,
        subjects: ['headgate-1-limit', 'headgate-12-limits'],
        base: 'headgate-1-limit',
        per: 'request',
        comparedWith: 'journey-limits',
        load: windows(2_000, 1_000),
        latencyMs: quick ? 400 : 1_000,
      },
    ],
  };
}
