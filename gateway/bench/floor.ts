/**
 * The floor: the least a gateway on node:http and undici can do. The body is buffered and forwarded, the answer is piped
 * with back-pressure; no key, no limit, no log, no error handling.
 *
 *     node floor.ts <port> <upstream origin>
 */
import { createServer, type OutgoingHttpHeaders } from 'node:http';
import { Pool } from 'undici';

const [port, origin] = process.argv.slice(2);
const pool = new Pool(origin!, { pipelining: 1, allowH2: false, keepAliveTimeout: 60_000 });
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host']);

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const headers: string[] = [];
    const raw = request.rawHeaders;
    for (let i = 0; i < raw.length; i += 2) {
      if (!HOP_BY_HOP.has(raw[i]!.toLowerCase())) headers.push(raw[i]!, raw[i + 1]!);
    }
    const body = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    pool.dispatch(
      { path: request.url!, method: 'POST', headers, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, status, answered) {
          const passed: OutgoingHttpHeaders = {};
          for (const name in answered) if (!HOP_BY_HOP.has(name)) passed[name] = answered[name];
          response.writeHead(status, passed);
        },
        onResponseData(controller, part) {
          if (response.write(part)) return;
          controller.pause();
          response.once('drain', () => controller.resume());
        },
        onResponseEnd: () => response.end(),
        onResponseError: () => response.destroy(),
      },
    );
  });
});
server.listen(Number(port), '127.0.0.1');
