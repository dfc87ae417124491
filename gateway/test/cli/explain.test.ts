/** `headgate explain` in a process of its own, against a gateway that runs. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { adminOrigin } from '../../src/cli/admin-client.ts';
import { explainCommand } from '../../src/cli/explain.ts';
import type { CallExplanation } from '../../src/explain/document.ts';
import { Program, type Ran } from '../examples/program.ts';
import { idOf, startExplainScene } from '../explain/scene.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';

const headgate = (...args: string[]): Promise<Ran> =>
  new Program('gateway/src/cli/main.ts', ['explain', ...args]).ended();

/** A configuration file with this text, in a directory of its own. */
function configFile(context: TestContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-explain-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'headgate.yaml');
  writeFileSync(file, text);
  return file;
}

test('explain --key --model prints every limit, the first one to stop the call, and what happens then; --json the same for programs', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 2/minute }, { cost: 1 USD/day } ]' });
  await scene.chat();
  const question = ['--key', 'acme.web', '--model', 'chat-large', '--admin', scene.gateway.adminUrl];
  const { code, stdout, stderr } = await headgate(...question);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(
    stdout,
    /^acme\.web \(Pro\) to chat-large: 2 limits at 2026-11-21T12:00:00\.000Z, configuration [0-9a-f]{12}\n/,
  );
  assert.match(
    stdout,
    /\n1 such request passes now; pro\.requests-per-minute is the first to stop them: the next one is refused with 429 rate_limit_exceeded\.\n/,
  );
  assert.match(stdout, /\n\* {2}pro\.requests-per-minute +2 +1 +0 +1 +60 s +1 {2}now\n/);
  assert.match(stdout, /\npro\.requests-per-minute, headgate\.yaml:15, of acme\.web\n/);
  assert.match(stdout, /\nAbove Pro: Enterprise\.\n$/);
  const json = await headgate(...question, '--json', '--input-tokens', '7', '--output-tokens', '9');
  const explained = JSON.parse(json.stdout) as CallExplanation;
  assert.deepEqual([explained.request.inputTokens, explained.request.outputTokens], [7, 9]);
  assert.equal(explained.verdict.limit, 'pro.requests-per-minute');
});

test('explain with a request id says in sentences why it was refused', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 1/minute } ]' });
  await scene.chat();
  const id = idOf(await scene.chat());
  const { code, stdout } = await headgate(id, '--admin', scene.gateway.adminUrl);
  assert.equal(code, 0);
  assert.deepEqual(stdout.split('\n'), [
    `${id}, a request of acme.web to chat-large at 2026-11-21T12:00:00.000Z: refused by pro.requests-per-minute with 429 rate_limit_exceeded.`,
    'pro.requests-per-minute (headgate.yaml:15): 1 request per minute for key acme.web, with 1 used and 0 reserved; the request could pass it in 60 s. It asked for 1 request.',
    'The caller was told: Pro tier limit exceeded: 1 request per minute for this key. Retry in 60 s, or upgrade to Enterprise.',
    '',
    'From the memory of this gateway: the limits are as they stood when they decided.',
    '',
  ]);
});

test('explain finds the gateway by its configuration, though the environment of the gateway is not there', async (context) => {
  await using scene = await startExplainScene();
  const { host } = new URL(scene.gateway.adminUrl);
  const file = configFile(context, `listen: { admin: "${host}" }\nproviders: { p: { apiKey: \${NOT_SET_HERE} } }\n`);
  const { code, stdout } = await headgate('-c', file, '--key', 'hobby.demo', '--model', 'chat-small');
  assert.deepEqual([code, stdout.split('\n')[0]!.split(' at ')[0]], [0, 'hobby.demo (Free) to chat-small: no limits']);
});

test('explain says what is wrong with the question, and exits 1', async () => {
  await using scene = await startExplainScene();
  const admin = ['--admin', scene.gateway.adminUrl];
  for (const [args, said] of [
    [
      ['--key', 'acme.wbe', '--model', 'chat-large'],
      'The configuration has no key "acme.wbe"; did you mean acme.web?\n',
    ],
    [
      ['--key', 'acme.web', '--model', 'chat-lrge'],
      'The configuration has no model "chat-lrge"; did you mean chat-large?\n',
    ],
    [[], 'Name a request by its id, or a key and a model: headgate explain --key acme.web --model chat-large.\n'],
  ] as const) {
    assert.deepEqual(await headgate(...args, ...admin), { code: 1, stdout: '', stderr: said });
  }
});

test('explain says how to start a gateway where none answers, and exits 1', async () => {
  const loopback = await listenOnLoopback(createServer());
  await loopback[Symbol.asyncDispose]();
  const { code, stdout, stderr } = await headgate('req_1', '--admin', loopback.host);
  assert.deepEqual([code, stdout], [1, '']);
  assert.equal(
    stderr,
    `Nothing answers at http://${loopback.host} (ECONNREFUSED). Start a gateway with \`npx headgate serve -c headgate.yaml\`, or name the admin listener of a running one with --admin http://host:port.\n`,
  );
});

test('explain prints no character that a terminal would obey, whoever answers', async () => {
  const body = JSON.stringify({ detail: 'one\u001b[2Jtwo\u202ethree\nfour' });
  await using loopback = await listenOnLoopback(
    createServer((_request, response) => response.writeHead(404).end(body)),
  );
  const said: string[] = [];
  const setting = { env: {}, write: () => {}, say: (line: string) => said.push(line) };
  assert.equal(await explainCommand('req_1', { admin: loopback.host }, setting), 1);
  assert.deepEqual(said, ['One\\u{1b}[2Jtwo\\u{202e}three\nfour']);
});

test('what answers and is no Headgate is told apart from a gateway', async () => {
  await using loopback = await listenOnLoopback(createServer((_request, response) => response.end('<html>')));
  const said: string[] = [];
  const setting = { env: {}, write: () => {}, say: (line: string) => said.push(line) };
  assert.equal(await explainCommand('req_1', { admin: loopback.host }, setting), 1);
  assert.match(said[0]!, /answered 200 and nothing that Headgate says/);
});

test('the admin listener is where --admin says, else where the configuration has it, else at its usual address', (context) => {
  const origin = (text: string, env = {}) => adminOrigin({ config: configFile(context, text) }, env);
  assert.deepEqual(adminOrigin({ admin: 'https://admin.internal:444/path' }, {}), {
    origin: 'https://admin.internal:444',
  });
  assert.deepEqual(adminOrigin({ admin: 'localhost:9' }, {}), { origin: 'http://localhost:9' });
  assert.ok('failure' in adminOrigin({ admin: 'http://' }, {}));
  assert.deepEqual(origin('region: eu\n'), { origin: 'http://127.0.0.1:8081' });
  assert.deepEqual(origin('listen: { admin: "0.0.0.0:9001" }\n'), { origin: 'http://127.0.0.1:9001' });
  assert.deepEqual(origin('listen: { admin: "[::]:9001" }\n'), { origin: 'http://[::1]:9001' });
  assert.deepEqual(origin(`listen: { admin: "\${ADMIN}" }\n`, { ADMIN: '10.0.0.1:7' }), {
    origin: 'http://10.0.0.1:7',
  });
  for (const text of ['listen: { admin: "127.0.0.1:0" }\n', 'listen: { admin: nowhere }\n']) {
    assert.match((origin(text) as { failure: string }).failure, /--admin/);
  }
  assert.match((adminOrigin({ config: '/nowhere.yaml' }, {}) as { failure: string }).failure, /no file/);
});
