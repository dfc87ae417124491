import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { freePort, launch, listening } from '../children.ts';
import { ANY_KEY, type Subject } from './subject.ts';

function configurationFor(folder: string, port: number, upstreamPort: number): string {
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  tcp_nodelay on;
  keepalive_requests 100000000;
  client_max_body_size 16m;
  client_body_buffer_size 256k;
  upstream bench {
    server 127.0.0.1:${upstreamPort};
    keepalive 128;
    keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`;
}

/** nginx as a bare proxy: one worker, keep-alive to the upstream, answers passed on as they come. */
export const nginx: Subject = {
  name: 'nginx',
  async start({ folder, upstreamPort, core }) {
    // Distributions install it where only root's PATH looks.
    const env = { PATH: `${process.env['PATH']}:/usr/sbin:/usr/local/sbin` };
    const version = spawnSync('nginx', ['-v'], { env, encoding: 'utf8' });
    if (version.error !== undefined) throw new Error('not installed');
    const port = await freePort();
    const configuration = configurationFor(folder, port, upstreamPort);
    writeFileSync(`${folder}/nginx.conf`, configuration);
    const logFile = `${folder}/log`;
    const args = ['-p', folder, '-e', `${folder}/error.log`, '-c', `${folder}/nginx.conf`];
    const child = launch({ command: 'nginx', args, env, logFile }, core);
    await listening(child, port, logFile);
    return { child, port, headers: () => ANY_KEY, version: version.stderr.trim().replace(/.*: /, ''), configuration };
  },
};
