/** The admin listener: health, metrics, the state of the configuration, explanations. Everything else is 404: default-deny. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Explainer } from '../explain/explainer.ts';
import { healthAnswer } from '../listen/health.ts';
import { type AdminAnswer, json, send } from './answer.ts';
import { explainAnswer } from './explain.ts';

export interface AdminSources {
  ready(): boolean;
  /** The exposition text for Prometheus. */
  metrics(): Promise<string>;
  /** What `/config/status` answers. */
  configStatus(): object;
  readonly explainer: Explainer;
  /** Told of a defect. */
  defect(cause: unknown): void;
}

/** Resolves once listening; throws the system's error when it cannot. */
export function startAdmin(
  host: string,
  port: number,
  sources: AdminSources,
): Promise<{ address: AddressInfo; server: Server }> {
  const server = createServer((request, response) => {
    const url = request.url ?? '/';
    const path = url.split('?', 1)[0]!;
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, error(405, 'use GET'));
    if (path === '/healthz' || path === '/readyz') return healthAnswer(path, sources.ready(), response);
    answerTo(path, url, sources).then(
      (answer) => send(response, answer),
      (cause) => {
        sources.defect(cause);
        send(response, error(500, 'internal'));
      },
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => resolve({ address: server.address() as AddressInfo, server }));
  });
}

async function answerTo(path: string, url: string, sources: AdminSources): Promise<AdminAnswer> {
  if (path === '/config/status') return json(sources.configStatus());
  if (path === '/metrics') {
    return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: await sources.metrics() };
  }
  return (await explainAnswer(url, sources.explainer)) ?? error(404, 'not found');
}

function error(status: number, text: string): AdminAnswer {
  return { status, type: 'application/json', body: JSON.stringify({ error: text }) };
}
