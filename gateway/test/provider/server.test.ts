import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { type SimulatedProvider, startProvider } from '../../src/provider/server.ts';
import { text } from '../../src/provider/words.ts';
import { send } from '../fakes/http-client.ts';
import { until } from '../fakes/until.ts';

let provider: SimulatedProvider;

before(async () => {
  provider = await startProvider({ clock: systemClock, tokens: 3 });
});
after(() => provider.close());

/** What comes back for `wire` until `enough`. */
async function raw(wire: string, enough: (received: string) => boolean): Promise<string> {
  const socket = connect(provider.port, '127.0.0.1');
  await once(socket, 'connect');
  let received = '';
  socket.setEncoding('utf8').on('data', (piece: string) => {
    received += piece;
  });
  socket.write(wire);
  await until('enough has come', () => enough(received));
  socket.destroy();
  return received;
}

function wire(version: string, body: object): string {
  const json = JSON.stringify(body);
  return `POST /v1/chat/completions HTTP/${version}\r\nhost: sim\r\ncontent-length: ${json.length}\r\n\r\n${json}`;
}

const STREAM = { model: 'sim', messages: [], stream: true };

test('requests that are pipelined on one connection are answered one after the other', async () => {
  const two = wire('1.1', STREAM) + wire('1.1', { ...STREAM, stream: false });
  const received = await raw(two, (all) => all.includes(text(3)));
  assert.ok(received.indexOf('[DONE]') < received.lastIndexOf('HTTP/1.1 200'));
});

test('a client of HTTP/1.0 gets a stream without chunked coding', async () => {
  const received = await raw(wire('1.0', STREAM), (all) => all.includes('[DONE]'));
  assert.match(received, /\r\n\r\ndata: \{/);
  assert.doesNotMatch(received, /transfer-encoding/i);
});

test('what arrived is kept as it arrived: path, header list, body bytes', async () => {
  const headers = ['X-One', 'a', 'x-one', 'b', 'Authorization', 'Bearer sk-test'];
  const body = Buffer.from('{"model": "sim",  "messages": []}');
  await send({ url: provider.url, path: '/v1/chat/completions?a=1', headers, body });
  const request = provider.requests.at(-1)!;
  assert.deepEqual([request.path, request.url], ['/v1/chat/completions', '/v1/chat/completions?a=1']);
  assert.deepEqual(request.rawHeaders.slice(0, 6), headers);
  assert.ok(request.body.equals(body));
});

test('an address that is taken is a rejection, not a crash', async () => {
  await assert.rejects(startProvider({ clock: systemClock, port: provider.port }), { code: 'EADDRINUSE' });
});
