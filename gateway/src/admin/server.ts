/** The admin listener: health, metrics and the state of the configuration. Everything else is 404: default-deny. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { healthAnswer } from '../listen/health.ts';

export interface AdminSources {
  ready(): boolean;
  /** The exposition text for Prometheus. */
  metrics(): Promise<string>;
  /** What `/config/status` answers. */
  configStatus(): object;
}

/** Resolves once listening; throws the system's error when it cannot. */
export function startAdmin(
  host: string,
  port: number,
  sources: AdminSources,
): Promise<{ address: AddressInfo; server: Server }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0]!;
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return send(response, 405, 'application/json', '{"error":"use GET"}');
    if (path === '/healthz' || path === '/readyz') return healthAnswer(path, sources.ready(), response);
    if (path === '/config/status')
      return send(response, 200, 'application/json', JSON.stringify(sources.configStatus()));
    if (path !== '/metrics') return send(response, 404, 'application/json', '{"error":"not found"}');
    sources.metrics().then(
      (text) => send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', text),
      () => send(response, 500, 'application/json', '{"error":"internal"}'),
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => resolve({ address: server.address() as AddressInfo, server }));
  });
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
