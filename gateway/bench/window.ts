/**
 * One window of load in a closed loop: so many keep-alive connections to one address, each sending its next request when
 * the previous answer is complete, every answer verified.
 *
 * Invariants
 *  (1) A window ends when every exchange it began has ended, so that what it counts is what the subject did for it.
 *  (2) An exchange is completed only if its status and every byte of its body are as expected; otherwise it is a failure.
 */
import { setTimeout as after } from 'node:timers/promises';
import { Connection } from './connection.ts';
import { percentile } from './statistics.ts';
import { expectedBody, requestBody, type Shape } from './traffic.ts';
import { Verdict } from './verdict.ts';

/** Plain data: it travels from the runner to the load generator's process. */
export interface WindowOrder {
  readonly port: number;
  readonly shape: Shape;
  /** Header lines beyond the usual ones. */
  readonly headers: readonly string[];
  /** The refusal that is due; null: the upstream's bytes are. */
  readonly refusal: { readonly status: number; readonly containing: string } | null;
  readonly connections: number;
  /** No new exchange is begun after this time; null: each connection has one exchange. */
  readonly durationMs: number | null;
  /** Time between the starts of two connections. */
  readonly staggerMs: number;
  /** A connection begins an exchange at most this often; null: as soon as the last one is complete. */
  readonly everyMs: number | null;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface WindowResult {
  readonly completed: number;
  readonly failures: number;
  /** Of the failures, those whose status was right and whose body was not. */
  readonly mismatches: number;
  /** What went wrong first, or null. */
  readonly firstFailure: string | null;
  readonly durationMs: number;
  /** From the request being written until the first byte of the answer's body. */
  readonly firstByte: Latency;
  /** From the request being written until the last byte of the answer's body. */
  readonly lastByte: Latency;
  /** Body parts (see connection.ts) of the completed exchanges. */
  readonly parts: number;
  /** Connections opened because an answer said `connection: close`; their cost is part of the figures. */
  readonly reconnects: number;
}

function requestBytes(order: WindowOrder): Buffer {
  const body = requestBody(order.shape);
  const lines = [
    'POST /v1/chat/completions HTTP/1.1',
    `host: 127.0.0.1:${order.port}`,
    'accept: application/json',
    'content-type: application/json',
    'user-agent: headgate-bench',
    `content-length: ${body.length}`,
    ...order.headers,
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
}

function latencyOf(samplesMs: number[]): Latency {
  const sorted = Float64Array.from(samplesMs).sort();
  return { p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99) };
}

/** Waits until `due`; answers when the one after it is due, which is never in the past. */
async function waitFor(due: number, everyMs: number | null): Promise<number> {
  if (everyMs === null) return due;
  const now = performance.now();
  if (due > now) await after(due - now);
  return Math.max(due, now) + everyMs;
}

export async function runWindow(order: WindowOrder): Promise<WindowResult> {
  const request = requestBytes(order);
  const body = order.refusal === null ? expectedBody(order.shape) : Buffer.alloc(0);
  const startedAt = performance.now();
  const tally = {
    completed: 0,
    parts: 0,
    reconnects: 0,
    failures: 0,
    mismatches: 0,
    firstFailure: null as string | null,
  };
  const firstByteMs: number[] = [];
  const lastByteMs: number[] = [];

  const fail = (text: string, mismatch: boolean): void => {
    tally.failures++;
    if (mismatch) tally.mismatches++;
    tally.firstFailure ??= text;
  };
  const more = (): boolean => order.durationMs !== null && performance.now() - startedAt < order.durationMs;

  const runConnection = async (number: number): Promise<void> => {
    if (order.staggerMs > 0) await after(number * order.staggerMs);
    const verdict = new Verdict(
      order.refusal === null ? { kind: 'same-bytes', body } : { kind: 'refusal', ...order.refusal },
    );
    let connection = new Connection(order.port, verdict);
    let due = performance.now();
    do {
      due = await waitFor(due, order.everyMs);
      try {
        const exchange = await connection.exchange(request);
        const fault = verdict.fault(exchange.status);
        if (fault === null) {
          tally.completed++;
          tally.parts += exchange.parts;
          firstByteMs.push(exchange.firstByteMs);
          lastByteMs.push(exchange.lastByteMs);
        } else {
          fail(fault.text, fault.mismatch);
        }
        if (exchange.closes) {
          tally.reconnects++;
          connection.close();
          connection = new Connection(order.port, verdict);
        }
      } catch (error) {
        fail(String(error), false);
        await after(20);
        connection = new Connection(order.port, verdict);
      }
    } while (more());
    connection.close();
  };

  await Promise.all(Array.from({ length: order.connections }, (_, number) => runConnection(number)));
  const durationMs = performance.now() - startedAt;
  return { ...tally, durationMs, firstByte: latencyOf(firstByteMs), lastByte: latencyOf(lastByteMs) };
}
