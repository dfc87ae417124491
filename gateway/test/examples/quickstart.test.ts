import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { send } from '../fakes/http-client.ts';
import { Program } from './program.ts';

const PROGRAM = 'examples/quickstart/run.ts';

/** The quickstart on free ports with a directory of its own. */
function quickstart(context: TestContext, env: Readonly<Record<string, string>> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-quickstart-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const program = new Program(PROGRAM, [], {
    OPENAI_API_KEY: undefined,
    HEADGATE_QUICKSTART_BASE_URL: undefined,
    HEADGATE_QUICKSTART_DIRECTORY: directory,
    HEADGATE_DATA: '127.0.0.1:0',
    HEADGATE_ADMIN: '127.0.0.1:0',
    ...env,
  });
  return { program, directory };
}

function ask(url: string, key: string, model: string, more: object = {}) {
  return send({
    url,
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${key}` },
    body: { model, messages: [{ role: 'user', content: 'Hello' }], ...more },
  });
}

test('npm start answers every demo key from a simulated provider, shows each request, and stops cleanly', async (context) => {
  const { program, directory } = quickstart(context);
  await using _ = program;
  const [, url] = await program.prints(/gateway +(http:\/\/127\.0\.0\.1:\d+)\/v1/);
  const [, metricsUrl] = await program.prints(/metrics +(http:\/\/127\.0\.0\.1:\d+)\/metrics/);
  await program.prints(/Ctrl-C stops/);
  assert.match(program.stdout, /models +simulated, since OPENAI_API_KEY is not set/);

  for (const [key, model] of [
    ['sk-demo-free', 'chat-small'],
    ['sk-demo-pro', 'chat-large'],
    ['sk-demo-enterprise', 'chat-large'],
  ] as const) {
    assert.ok(program.stdout.includes(`Bearer ${key}'`) || program.stdout.includes(`  ${key} `), `${key} is shown`);
    const { status, text } = await ask(url!, key, model);
    assert.equal(status, 200, text);
    assert.equal(JSON.parse(text).object, 'chat.completion');
  }
  const streamed = await ask(url!, 'sk-demo-pro', 'chat-small', { stream: true });
  assert.ok(streamed.text.trimEnd().endsWith('data: [DONE]'));
  const forbidden = await ask(url!, 'sk-demo-free', 'chat-large');
  assert.equal(forbidden.status, 403);
  const metrics = await send({ url: metricsUrl!, method: 'GET', path: '/metrics' });
  assert.match(metrics.text, /headgate_requests_total/);

  await program.prints(/200 +enterprise +chat-large +2 \+ 60 tokens/);
  await program.prints(/403 .*refused: model_not_allowed/);
  program.kill('SIGINT');
  const { code, stderr } = await program.ended();
  assert.deepEqual([code, stderr], [0, '']);
  const log = readFileSync(join(directory, 'quickstart.log'), 'utf8');
  assert.equal(log.split('\n').filter((line) => line.includes('"msg":"request"')).length, 5);
  assert.doesNotMatch(program.stdout + log, /Hello there|Simulated answer/);
});

test('npm start on a taken port says so, with the way out, and ends', async (context) => {
  const taken = createServer().listen(0, '127.0.0.1');
  context.after(() => taken.close());
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as AddressInfo;
  for (const listener of ['HEADGATE_DATA', 'HEADGATE_ADMIN']) {
    const { program } = quickstart(context, { [listener]: `127.0.0.1:${port}` });
    const { code, stderr } = await program.ended();
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(
        `^Port ${port} is taken\\. Stop what uses it, or choose other ports:\n\n +HEADGATE_DATA=.* npm start\n$`,
      ),
    );
  }
});
