/** R19: a provider that quotes the gateway's credential inside a stream does not tell it to the caller. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROLE, STREAM_HEADERS, startHandUpstream, word } from '../fakes/hand-upstream.ts';
import { type Chunk, dataOf, setScene } from '../fakes/scene.ts';
import { turns, until } from '../fakes/until.ts';

/** As plainConfig gives it to the provider. */
const CREDENTIAL = 'sk-provider-1';
const PING_MS = 15_000;

const errorSaying = (message: string) => `data: ${JSON.stringify({ error: { message, type: 'server_error' } })}\n\n`;
const QUOTING = errorSaying(`Key ${CREDENTIAL} (Bearer ${CREDENTIAL}) ran out.`);
const REDACTED = errorSaying('Key [redacted] (Bearer [redacted]) ran out.');

test('R19: an error event behind content passes as it came but for the credential, in whatever pieces it comes', async () => {
  const before = ROLE + word('Hel');
  for (const pieces of [[before + QUOTING], [before, QUOTING], [before, QUOTING.slice(0, 40), QUOTING.slice(40)]]) {
    await using upstream = await startHandUpstream(async ({ response }) => {
      response.writeHead(200, STREAM_HEADERS);
      for (const piece of pieces) {
        response.write(piece);
        await turns();
      }
      response.end();
    });
    await using scene = await setScene({ targets: [upstream.url] });
    assert.equal((await scene.call().done).text, before + REDACTED);
    assert.equal((await scene.record()).outcome, 'upstream_error_in_stream');
    assert.ok(!scene.gateway.log().includes(CREDENTIAL));
    await scene.settled();
  }
});

test('R19: an error event before content is told by status, or behind a ping in a frame, without the credential', async () => {
  await using upstream = await startHandUpstream();
  await using scene = await setScene({ targets: [upstream.url], listen: `ping: ${PING_MS}ms` });
  for (const pinged of [false, true]) {
    const calls = upstream.calls.length;
    const call = scene.call();
    await until('the provider has the call', () => upstream.calls.length > calls);
    if (pinged) {
      scene.clock.advance(PING_MS);
      await until('the ping is here', () => call.bytesReceived > 0);
    }
    upstream.calls
      .at(-1)!
      .response.writeHead(200, STREAM_HEADERS)
      .end(ROLE + QUOTING);
    const { status, text } = await call.done;
    assert.equal(status, pinged ? 200 : 502);
    const { error } = pinged ? (dataOf(text)[0] as Chunk) : (JSON.parse(text) as Chunk);
    assert.equal(error?.message, 'Key [redacted] (Bearer [redacted]) ran out.');
  }
  await scene.settled();
});
