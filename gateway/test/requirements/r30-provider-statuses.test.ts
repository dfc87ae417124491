/** R30: one table of what a caller gets for what a provider said, row by row, streamed or not. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CHAT, errorOf, type Stand, startStand } from '../fakes/stand.ts';

interface Row {
  readonly provider: number;
  readonly caller: number;
  /** The refusal's code, or `mirrored`: the provider's own body. */
  readonly code: string;
  readonly retry: boolean | null;
}

// biome-ignore format: a table
const TABLE: readonly Row[] = [
  // About the caller's own request: as the provider said it.
  { provider: 400, caller: 400, code: 'mirrored', retry: null },
  { provider: 404, caller: 404, code: 'mirrored', retry: null },
  { provider: 409, caller: 409, code: 'mirrored', retry: null },
  { provider: 413, caller: 413, code: 'mirrored', retry: null },
  { provider: 415, caller: 415, code: 'mirrored', retry: null },
  { provider: 422, caller: 422, code: 'mirrored', retry: null },
  { provider: 429, caller: 429, code: 'mirrored', retry: null },
  // About the gateway's own account: never the caller's fault, and no other try helps.
  { provider: 401, caller: 502, code: 'upstream_auth', retry: false },
  { provider: 402, caller: 502, code: 'upstream_auth', retry: false },
  { provider: 403, caller: 502, code: 'upstream_auth', retry: false },
  // The provider's own failures.
  { provider: 408, caller: 504, code: 'timeout_headers', retry: true },
  { provider: 504, caller: 504, code: 'timeout_headers', retry: true },
  { provider: 500, caller: 502, code: 'upstream_error', retry: true },
  { provider: 502, caller: 502, code: 'upstream_error', retry: true },
  { provider: 599, caller: 502, code: 'upstream_error', retry: true },
  { provider: 302, caller: 502, code: 'upstream_error', retry: true },
  { provider: 503, caller: 503, code: 'upstream_unavailable', retry: true },
  { provider: 529, caller: 503, code: 'upstream_unavailable', retry: true },
];

const THEIRS = { error: { message: 'as the provider says it', type: 'theirs', param: null, code: 'their_code' } };

let status = 200;
let body: object | string = THEIRS;
let stand: Stand;
before(async () => {
  stand = await startStand({
    providers: [{ script: () => ({ faults: [{ kind: 'status', status, body, headers: [] }] }) }],
  });
});
after(() => stand[Symbol.asyncDispose]());

for (const row of TABLE) {
  for (const stream of [false, true]) {
    const outcome = row.code === 'mirrored' ? 'passes as it is' : `becomes ${row.caller} ${row.code}`;
    test(`R30: a provider's ${row.provider} ${outcome}${stream ? ', of a stream too' : ''}`, async () => {
      status = row.provider;
      const seen = stand.seen;
      const received = await stand.ask({ body: { ...CHAT, stream } });
      assert.equal(stand.seen, seen + 1);
      assert.equal(received.status, row.caller);
      assert.match(received.headers['x-request-id']!, /^req_[0-9a-z]{26}$/);
      assert.equal(received.headers['x-headgate-error-source'], 'upstream');
      assert.equal(received.headers['x-headgate-target'], 'p1/m');
      assert.match(received.headers['content-type']!, /^application\/json/);
      if (row.code === 'mirrored') assert.deepEqual(JSON.parse(received.text), THEIRS);
      else ownRefusal(received.headers, errorOf(received), row);
      const [record] = await stand.gateway.ledger.recent(1);
      assert.equal(record!.attempts[0]!.status, row.provider);
      assert.equal(record!.status, row.caller);
      assert.equal(record!.usage.outputTokens, 0, 'an error is no output');
    });
  }
}

function ownRefusal(headers: Readonly<Record<string, string>>, error: ReturnType<typeof errorOf>, row: Row): void {
  assert.equal(error.code, row.code);
  assert.equal(error.headgate['source'], 'upstream');
  assert.equal(error.headgate['requestId'], headers['x-request-id']);
  assert.equal(headers['x-should-retry'], String(row.retry));
  assert.ok(!JSON.stringify(error).includes('as the provider says it'));
  if (row.caller === 503) assert.match(headers['retry-after']!, /^[1-9]\d*$/);
}

test("R30: the provider's own bad key is not shown as the caller's: the error names the operator, and a metric counts it", async () => {
  status = 401;
  const received = await stand.ask();
  assert.match(errorOf(received).message, /gateway's own credential.*your key is fine/);
  const metrics = await stand.scrape();
  assert.ok(metrics.get('headgate_refusals_total{code="upstream_auth",tier="pro"}')! >= 1);
});

test("R30: an error about the caller's own request says so", async () => {
  for (const ask of [{ body: '{' }, { key: null }, { path: '/v1/nowhere' }]) {
    const received = await stand.ask(ask);
    assert.equal(received.headers['x-headgate-error-source'], 'caller');
    assert.equal(errorOf(received).headgate['source'], 'caller');
    assert.equal(received.headers['x-should-retry'], 'false');
  }
});

test("R30: a provider's 429 without a word is put into ours", async () => {
  status = 429;
  body = '';
  const received = await stand.ask();
  body = THEIRS;
  assert.equal(received.status, 429);
  assert.equal(errorOf(received).code, 'upstream_rate_limited');
  assert.equal(received.headers['retry-after'], '1');
});

test('R30: a defect of the gateway is a 500 that hides what it was; the log has it under the request id', async () => {
  await using broken = await startStand();
  broken.gateway.limits.reserve = () => {
    throw new Error('the detail');
  };
  const received = await broken.ask();
  assert.equal(received.status, 500);
  assert.equal(errorOf(received).code, 'internal');
  assert.equal(received.headers['x-headgate-error-source'], 'gateway');
  assert.ok(!received.text.includes('the detail'));
  const defect = broken.gateway
    .log()
    .split('\n')
    .find((line) => line.includes('"defect"'))!;
  assert.ok(defect.includes('the detail') && defect.includes(received.headers['x-request-id']!));
  assert.equal(broken.seen, 0);
});
