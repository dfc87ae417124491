import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DONE, FINISH, ROLE, STREAM_HEADERS, startHandUpstream, word } from '../fakes/hand-upstream.ts';
import { setScene } from '../fakes/scene.ts';
import { until } from '../fakes/until.ts';

const EVENTS = 100;

const POLICIES: readonly {
  readonly name: string;
  readonly limits: string;
  readonly listen: string;
  readonly body: object;
}[] = [
  { name: 'no limit', limits: '[]', listen: 'ping: off', body: {} },
  {
    name: 'every kind of limit, pings, and a cap on output',
    limits:
      '[ { requests: 10/minute }, { tokens: 100k/minute, burst: 200k }, { outputTokens: 1M/day, per: organization }, { cost: 9 USD/month }, { concurrency: 1 } ]',
    listen: 'ping: 15s',
    body: { max_tokens: 500, stream_options: { include_usage: true } },
  },
];

for (const { name, limits, listen, body } of POLICIES) {
  test(`R37: under ${name} each event is with the caller before the provider sends the next`, async () => {
    await using upstream = await startHandUpstream();
    await using scene = await setScene({ targets: [upstream.url], limits, listen });
    const call = scene.call({ body, headers: { 'accept-encoding': 'gzip, br' } });
    await until('the provider has the call', () => upstream.calls.length === 1);
    const { response } = upstream.calls[0]!;
    response.writeHead(200, STREAM_HEADERS);
    let sent = ROLE.length;
    response.write(ROLE);
    for (let number = 1; number <= EVENTS; number++) {
      const event = word(` token ${number}`);
      sent += event.length;
      response.write(event);
      await until(`event ${number} is with the caller`, () => call.bytesReceived === sent);
    }
    response.end(FINISH + DONE);
    const { headers, bytes } = await call.done;
    assert.equal(bytes.length, sent + FINISH.length + DONE.length);
    assert.equal(headers['x-accel-buffering'], 'no');
    assert.equal(headers['content-encoding'], undefined);
    assert.equal(headers['content-length'], undefined);
    assert.match(headers['content-type'] ?? '', /^text\/event-stream/);
  });
}
