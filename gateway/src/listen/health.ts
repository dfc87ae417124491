/** `/healthz`: the process is alive. `/readyz`: it can serve; 503 from the first moment of a shutdown. */
import type { ServerResponse } from 'node:http';

export function healthAnswer(path: string, ready: boolean, response: ServerResponse): void {
  const ok = path === '/healthz' || ready;
  const body = JSON.stringify({ status: ok ? 'ok' : 'draining' });
  response.writeHead(ok ? 200 : 503, ['content-type', 'application/json', 'content-length', String(body.length)]);
  response.end(body);
}
