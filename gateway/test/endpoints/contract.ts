/**
 * What every endpoint owes its callers for each status that is not a success: the exact body and the exact headers. Which of them
 * an endpoint has is said by its folder.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '../../src/call.ts';
import { ENDPOINTS, type Endpoint } from '../../src/endpoints.ts';
import { REFUSALS, type RefusalCode } from '../../src/errors.ts';
import type { Fault } from '../../src/provider/faults.ts';
import { hashOf, TEST_KEY } from '../fakes/gateway.ts';
import type { Received } from '../fakes/http-client.ts';
import { sampleCall } from '../fakes/sample-calls.ts';
import { type Ask, errorOf, type Stand, startStand } from '../fakes/stand.ts';
import { until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const EVERY = [
  'cache-control',
  'connection',
  'content-length',
  'content-type',
  'date',
  'x-headgate-region',
  'x-request-id',
];
const EVERY_REFUSAL = ['x-headgate-error-source', 'x-should-retry'];
export const OF_A_CALLER: readonly string[] = ['x-headgate-tier'];
const OF_A_CALL = [...OF_A_CALLER, 'x-headgate-model'];
const OF_THE_LIMITS = [
  ...['limit', 'remaining', 'reset'].flatMap((what) => [`x-ratelimit-${what}-requests`, `x-ratelimit-${what}-tokens`]),
  'ratelimit',
  'ratelimit-policy',
  'x-headgate-queue-ms',
];
const OF_A_WAIT = ['retry-after', 'retry-after-ms'];
/** Members of `error.headgate` that tell the limit which refused. */
const OF_THE_BINDING_LIMIT = [
  'limit',
  'per',
  'dimension',
  'tier',
  'used',
  'reserved',
  'amount',
  'requested',
  'window',
  'retryAfterMs',
  'resetsAt',
  'upgradeTo',
  'upgradeUrl',
];
const OF_AN_ATTEMPT = ['x-headgate-attempts', 'x-headgate-target'];
/** Of a call that reached a provider. */
export const ADMITTED: readonly string[] = [...OF_A_CALL, ...OF_THE_LIMITS, ...OF_AN_ATTEMPT];

export function endpointOf(operation: Operation): Endpoint {
  return ENDPOINTS.find((endpoint) => endpoint.operation === operation)!;
}

/** Limits of requests and tokens, so that every answer has their headers; a model that the key may not call. */
export function startEndpointStand(fault?: Fault, clock = new VirtualClock()): Promise<Stand> {
  return startStand({
    clock,
    listen: 'bodyMax: 4KiB',
    providers: [{ script: () => ({ faults: fault === undefined ? [] : [fault] }) }],
    yaml: ([url]) => `
providers: { p1: { protocol: openai, baseUrl: "${url}/v1", apiKey: sk-p, timeouts: { headers: 2s } } }
models:
  m: { targets: [ { provider: p1, model: m, price: { input: 1, output: 2 } } ] }
  other: { targets: [ { provider: p1, model: other } ] }
tiers: { pro: { name: Pro, models: [m], limits: [ { requests: 2/minute }, { tokens: 2k/minute } ] }, max: {} }
organizations:
  acme: { tier: pro, keys: { web: { hash: "${hashOf(TEST_KEY)}" } } }
  rich: { tier: max, keys: { web: { hash: "${hashOf('sk-test-rich')}" } } }
`,
  });
}

/** The answer has the headers of every answer and `more`, and no others. */
export function assertAnswerHeaders({ rawHeaders, headers }: Received, more: readonly string[]): void {
  const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
  assert.deepEqual(names.toSorted(), [...EVERY, ...more].toSorted());
  assert.match(headers['x-request-id']!, /^req_[0-9a-z]{26}$/);
  assert.equal(headers['cache-control'], 'private, no-store');
  assert.equal(headers['x-headgate-region'], 'local');
}

interface Expected {
  readonly code: RefusalCode;
  readonly message: RegExp;
  /** Names of headers beyond those of every refusal. */
  readonly headers: readonly string[];
  /** The field at fault; none unless given. */
  readonly param?: string | null;
  /** The members of `error.headgate` beyond those of every refusal. */
  readonly headgate?: readonly string[];
}

/** The refusal is the row of the error table, to the last member and header. */
function assertRefusal(received: Received, { code, message, headers, param = null, headgate = [] }: Expected): void {
  const row = REFUSALS[code];
  assert.equal(received.status, row.status, received.text);
  assertAnswerHeaders(received, [...EVERY_REFUSAL, ...headers]);
  assert.equal(received.headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(received.headers['x-headgate-error-source'], row.source);
  assert.equal(received.headers['x-should-retry'], String(row.retry === 'later'));
  const error = errorOf(received);
  assert.deepEqual(Object.keys(JSON.parse(received.text)), ['error']);
  assert.deepEqual(Object.keys(error), ['message', 'type', 'param', 'code', 'headgate']);
  assert.match(error.message, message);
  assert.deepEqual([error.type, error.param, error.code], [row.type, param, code]);
  const { requestId, ...said } = error.headgate;
  assert.ok(requestId === undefined || requestId === received.headers['x-request-id']);
  assert.deepEqual(Object.keys(said), ['code', 'source', ...headgate]);
  assert.deepEqual([said['code'], said['source']], [code, row.source]);
}

/** One test: asks once and expects that refusal. */
function refuses(operation: Operation, what: string, ask: (endpoint: Endpoint) => Ask, expected: Expected): void {
  const { status } = REFUSALS[expected.code];
  test(`${operation} ${status}: ${what}`, async () => {
    await using stand = await startEndpointStand();
    const endpoint = endpointOf(operation);
    assertRefusal(await stand.ask({ ...sampleCall(endpoint), ...ask(endpoint) }), expected);
    assert.equal(stand.seen, 0, 'the provider saw it');
  });
}

export function answers400(operation: Operation): void {
  refuses(operation, 'a body that is no JSON object', () => ({ body: '[1]' }), {
    code: 'invalid_json',
    message: /^The request body is not a JSON object\.$/,
    headers: OF_A_CALLER,
  });
  refuses(operation, 'a body that names no model', () => ({ body: {} }), {
    code: 'invalid_field',
    message: /^'model' is missing: name one of the models that GET \/v1\/models lists\.$/,
    headers: OF_A_CALLER,
    param: 'model',
  });
  test(`${operation} 400: what the provider says about the caller's request`, async () => {
    const body = { error: { message: 'no such parameter', type: 'invalid_request_error', param: 'x', code: null } };
    await using stand = await startEndpointStand({ kind: 'status', status: 400, body });
    const received = await stand.ask(sampleCall(endpointOf(operation)));
    assert.equal(received.status, 400);
    assert.deepEqual(JSON.parse(received.text), body);
    assertAnswerHeaders(received, [...ADMITTED, 'x-headgate-error-source']);
    assert.equal(received.headers['x-headgate-error-source'], 'upstream');
  });
}

/** A request that is larger than a limit can ever admit: never a 429, which would invite it again. */
export function answers400TooManyTokens(operation: Operation, body: object): void {
  refuses(operation, 'more tokens than the limit can ever admit', () => ({ body }), {
    code: 'request_exceeds_limit',
    message:
      /^This request asks for up to [\d,]+ tokens, more than the Pro tier's limit of 2,000 tokens per minute for this key can ever admit\./,
    headers: [...OF_A_CALL, ...OF_THE_LIMITS],
    headgate: OF_THE_BINDING_LIMIT,
  });
}

export function answers401(operation: Operation): void {
  const expected: Expected = {
    code: 'invalid_api_key',
    message: /^The API key is missing or not valid\.$/,
    headers: [],
  };
  refuses(operation, 'no key', () => ({ key: null }), expected);
  refuses(operation, 'a key that nobody has', () => ({ key: 'sk-unknown' }), expected);
}

export function answers403(operation: Operation): void {
  refuses(operation, 'a model that the key may not call', (endpoint) => sampleCall(endpoint, 'other'), {
    code: 'model_not_allowed',
    message: /^This key may not call the model 'other'\.$/,
    headers: OF_A_CALLER,
    param: 'model',
  });
}

export function answers404(operation: Operation): void {
  refuses(operation, 'a model that does not exist', (endpoint) => sampleCall(endpoint, 'nobody'), {
    code: 'model_not_found',
    message: /^There is no model 'nobody'\.$/,
    headers: OF_A_CALLER,
    param: 'model',
  });
}

export function answers405(operation: Operation): void {
  const { method, path } = endpointOf(operation);
  const named = sampleCall(endpointOf(operation)).path;
  test(`${operation} 405: another method than ${method}`, async () => {
    await using stand = await startEndpointStand();
    for (const other of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].filter((each) => each !== method)) {
      const received = await stand.ask({ method: other, path: named, body: {} });
      assertRefusal(received, {
        code: 'method_not_allowed',
        message: new RegExp(`^Use ${method} for ${path.endsWith('/') ? named : path}\\.$`),
        headers: ['allow'],
      });
      assert.equal(received.headers['allow'], method);
    }
  });
}

export function answers413(operation: Operation): void {
  refuses(operation, 'a body over the limit', () => ({ body: 'x'.repeat(4097) }), {
    code: 'body_too_large',
    message: /4097 bytes.*limit of 4096 bytes/,
    headers: OF_A_CALLER,
  });
}

export function answers429(operation: Operation): void {
  test(`${operation} 429: a limit that is used up`, async () => {
    await using stand = await startEndpointStand();
    const call = sampleCall(endpointOf(operation));
    for (const _ of [1, 2]) assert.equal((await stand.ask(call)).status, 200);
    const received = await stand.ask(call);
    assertRefusal(received, {
      code: 'rate_limit_exceeded',
      message: /^Pro tier limit exceeded: 2 requests per minute for this key\. Retry in 60 s\.$/,
      headers: [...OF_A_CALL, ...OF_THE_LIMITS, ...OF_A_WAIT],
      headgate: OF_THE_BINDING_LIMIT,
    });
    assert.equal(received.headers['retry-after'], '60');
    assert.equal(stand.seen, 2);
  });
}

export function answers502(operation: Operation): void {
  fails(
    operation,
    'the provider failed',
    { kind: 'status', status: 500 },
    { code: 'upstream_error', message: /^The provider failed\.$/, headers: ADMITTED },
  );
  fails(
    operation,
    "the gateway's own credential was refused",
    { kind: 'status', status: 401 },
    {
      code: 'upstream_auth',
      message: /your key is fine/,
      headers: ADMITTED,
    },
  );
  fails(
    operation,
    'the answer is cut short',
    { kind: 'cut', after: { bytes: 20 } },
    {
      code: 'upstream_truncated',
      message: /ended before it was complete/,
      headers: ADMITTED,
    },
  );
}

export function answers503(operation: Operation): void {
  const expected: Expected = {
    code: 'upstream_unavailable',
    message: /overloaded or cannot be reached/,
    headers: [...ADMITTED, ...OF_A_WAIT],
  };
  fails(operation, 'the provider is overloaded', { kind: 'status', status: 503 }, expected);
  fails(operation, 'the provider resets the connection', { kind: 'garbage', what: 'http' }, expected);
}

export function answers504(operation: Operation): void {
  test(`${operation} 504: the provider does not begin to answer in time`, async () => {
    const clock = new VirtualClock();
    await using stand = await startEndpointStand({ kind: 'silent' }, clock);
    const asked = stand.ask(sampleCall(endpointOf(operation)));
    await until('the provider has it', () => stand.seen === 1);
    clock.advance(2000);
    assertRefusal(await asked, {
      code: 'timeout_headers',
      message: /did not begin to answer in time/,
      headers: ADMITTED,
    });
  });
}

function fails(operation: Operation, what: string, fault: Fault, expected: Expected): void {
  test(`${operation} ${REFUSALS[expected.code].status}: ${what}`, async () => {
    await using stand = await startEndpointStand(fault);
    assertRefusal(await stand.ask(sampleCall(endpointOf(operation))), expected);
    assert.equal(stand.seen, 1);
  });
}
