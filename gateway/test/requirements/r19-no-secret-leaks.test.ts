/** R19: no credential is ever written or said: not to the log, the metrics, the ledger or the operator, and not to a caller. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ENDPOINTS } from '../../src/endpoints.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import { hashOf } from '../fakes/gateway.ts';
import type { Received } from '../fakes/http-client.ts';
import { openRaw, sendRaw } from '../fakes/raw-http.ts';
import { sampleCall } from '../fakes/sample-calls.ts';
import { type Ask, CHAT, type Stand, startStand } from '../fakes/stand.ts';

/** Every credential of the run; each is found by its own text. */
const CANARY = {
  caller: 'sk-canary-caller-7Qm2',
  expired: 'sk-canary-expired-8Rn3',
  revoked: 'sk-canary-revoked-9So4',
  unknown: 'sk-canary-unknown-1Tp5',
  provider1: 'sk-canary-provider-2Uq6',
  provider2: 'sk-canary-provider-3Vr7',
} as const;

const ENV = { CANARY_P1: CANARY.provider1, CANARY_P2: CANARY.provider2 };

const config = ([first, second]: readonly string[]) => `
providers:
  p1: { protocol: openai, baseUrl: "${first}/v1", apiKey: "\${CANARY_P1}" }
  p2: { protocol: openai, baseUrl: "${second}/v1", apiKey: "\${CANARY_P2}" }
models:
  m: { targets: [ { provider: p1, model: m }, { provider: p2, model: m } ] }
  other: { targets: [ { provider: p1, model: m } ] }
tiers: { pro: { models: [m], limits: [ { requests: 1000/minute }, { tokens: 10M/month }, { concurrency: 50 } ] } }
organizations:
  acme:
    tier: pro
    keys:
      web: { hash: "${hashOf(CANARY.caller)}" }
      old: { hash: "${hashOf(CANARY.expired)}", expires: 2020-01-01 }
      gone: { hash: "${hashOf(CANARY.revoked)}", revoked: true }
`;

/** What a provider does that was sent `key`. */
type Manner = (key: string) => Behaviour;

const quoting =
  (status: number, quote: (key: string) => object | string): Manner =>
  (key) => ({ faults: [{ kind: 'status', status, body: quote(key) }] });

const MANNERS: readonly Manner[] = [
  () => ({}),
  ...[400, 401, 402, 403, 404, 409, 422, 429, 500, 503].map((status) =>
    quoting(status, (key) => ({ error: { message: `Incorrect API key: ${key}`, param: `Bearer ${key}` } })),
  ),
  quoting(400, (key) => `<p>bad key ${key}</p>`),
  () => ({ faults: [{ kind: 'close', after: { bytes: 10 } }] }),
  () => ({ faults: [{ kind: 'reset', after: { bytes: 0 } }] }),
  () => ({ faults: [{ kind: 'garbage', what: 'http' }] }),
  () => ({ faults: [{ kind: 'garbage', what: 'json' }] }),
  () => ({ faults: [{ kind: 'empty' }] }),
  () => ({ faults: [{ kind: 'error', afterEvents: 0 }] }),
  () => ({ faults: [{ kind: 'error', afterEvents: 2 }] }),
];

const STRANGERS: readonly Ask[] = [
  ...[CANARY.expired, CANARY.revoked, CANARY.unknown].map((key) => ({ key })),
  { key: null, headers: { 'x-api-key': CANARY.unknown } },
  { key: null, headers: { 'x-api-key': CANARY.caller, cookie: `key=${CANARY.caller}` } },
  { key: null, headers: { authorization: `Basic ${CANARY.caller}` } },
  { key: null, path: `/v1/chat/completions?key=${CANARY.caller}` },
];

/** Refused on the way, with the key in a place where it may be quoted. */
const MISTAKES: readonly Ask[] = [
  { body: `{"key":"${CANARY.caller}"` },
  { body: { ...CHAT, max_tokens: CANARY.caller } },
  { body: { ...CHAT, stream: CANARY.caller } },
  { body: { ...CHAT, model: 'other' } },
  { body: { ...CHAT, max_tokens: 1e12 } },
  { method: 'DELETE' },
  { path: `/v1/nowhere?key=${CANARY.caller}` },
  { headers: { 'content-encoding': CANARY.caller } },
];

/** Everything that is on disk but the configuration itself: log, ledger, journal. */
function filesOf({ gateway }: Stand): [string, string][] {
  gateway.log();
  return readdirSync(gateway.directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(gateway.directory, name))
    .filter((path) => statSync(path).isFile() && path !== gateway.configFile)
    .map((path) => [path, readFileSync(path, 'latin1')]);
}

function operatorsView({ gateway }: Stand): Promise<[string, string][]> {
  return Promise.all(
    ['/metrics', '/config/status', '/healthz', '/readyz'].map(
      async (path): Promise<[string, string]> => [
        path,
        await sendRaw(gateway.adminUrl, `GET ${path} HTTP/1.0\r\n\r\n`),
      ],
    ),
  );
}

function assertClean(where: string, text: string): void {
  for (const [which, canary] of Object.entries(CANARY)) {
    assert.ok(!text.includes(canary), `${which} key in ${where}: ${text.slice(0, 500)}`);
  }
}

const said = ({ rawHeaders, text }: Received) => `${rawHeaders.join('\n')}\n\n${text}`;

test('R19: after successes and failures of every kind no credential is found in anything written or said', async () => {
  const [wellBehaved] = MANNERS;
  let manner = wellBehaved!;
  const providers = [CANARY.provider1, CANARY.provider2].map((key) => ({ script: () => manner(key) }));
  await using stand = await startStand({ yaml: config, env: ENV, providers, listen: 'bodyMax: 64KiB' });
  const { gateway } = stand;
  const heard: [string, Received][] = [];
  const hear = async (what: string, ask: Ask) => heard.push([what, await stand.ask({ key: CANARY.caller, ...ask })]);

  for (manner of MANNERS) {
    const what = JSON.stringify(manner('***'));
    await hear(`chat, ${what}`, {});
    await hear(`stream, ${what}`, { body: { ...CHAT, stream: true } });
    await hear(`embedding, ${what}`, { path: '/v1/embeddings', body: { model: 'm', input: 'x' } });
  }
  manner = wellBehaved!;
  for (const endpoint of ENDPOINTS) {
    for (const stranger of STRANGERS) await hear('stranger', { ...sampleCall(endpoint), ...stranger });
  }
  for (const mistake of MISTAKES) await hear('mistake', mistake);
  await hear('too large', { body: CANARY.caller.padEnd(100_000, CANARY.caller) });

  const leaving = openRaw(gateway.dataUrl);
  leaving.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${CANARY.caller}\r\ncontent-length: 99\r\n\r\n`,
  );
  leaving.socket.destroySoon();
  await leaving.closed;

  gateway.write(`${config(['http://a', 'http://b'])}\nunknown: "\${CANARY_P1}"\nkeys: ${CANARY.caller}\n`);
  gateway.reload();
  assert.notEqual(gateway.config.status.lastError, null);

  assert.ok(heard.filter(([, { status }]) => status === 200).length > 3);
  for (const status of [400, 401, 403, 404, 405, 413, 415, 429, 502, 503]) {
    assert.ok(
      heard.some(([, received]) => received.status === status),
      `no answer had status ${status}`,
    );
  }
  for (const [what, received] of heard) assertClean(what, said(received));
  const running = [...filesOf(stand), ...(await operatorsView(stand))];
  await gateway.stop();
  const kept = [...running, ...filesOf(stand)];
  for (const what of ['log', 'ledger.db', 'ledger.journal/'])
    assert.ok(
      kept.some(([where]) => where.includes(what)),
      what,
    );
  for (const [where, text] of kept) assertClean(where, text);
  const requests = stand.providers.flatMap((provider) => provider.requests);
  assert.ok(requests.length > 30);
  for (const { headers, body } of requests) {
    assert.ok(!JSON.stringify(headers).includes(CANARY.caller), "the caller's key reached a provider");
    assert.ok(!body.includes(CANARY.caller));
  }
});

test('R19: a missing, an unknown, an expired and a revoked key get the same bytes', async () => {
  await using stand = await startStand({ yaml: config, env: ENV, providers: [{}, {}] });
  for (const endpoint of ENDPOINTS) {
    const answers = new Set<string>();
    for (const key of [null, CANARY.unknown, CANARY.expired, CANARY.revoked]) {
      const { status, rawHeaders, text } = await stand.ask({ ...sampleCall(endpoint), key });
      assert.equal(status, 401);
      const varying = new Set(['x-request-id', 'date']);
      const headers = rawHeaders.map((value, at) =>
        varying.has((rawHeaders[at - 1] ?? '').toLowerCase()) ? '*' : value,
      );
      answers.add(`${headers.join('\n')}\n\n${text}`);
    }
    assert.equal(answers.size, 1, [...answers].join('\n---\n'));
  }
});
