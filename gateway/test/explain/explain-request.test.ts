import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refused } from '../../src/errors.ts';
import { fromLedger } from '../../src/explain/explain-request.ts';
import { type Decided, NOTABLE_MAX, Notables } from '../../src/explain/notable.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import { until } from '../fakes/until.ts';
import { record } from '../ledger/records.ts';
import { type ExplainScene, idOf, secretOf, startExplainScene } from './scene.ts';

/** Moves time by `ms` once a call waits for it. */
async function whileOneWaits(scene: ExplainScene, timers: number, ms: number): Promise<void> {
  await until('a call waits', () => scene.clock.pending > timers);
  scene.clock.advance(ms);
}

async function decisions(scene: ExplainScene): Promise<object> {
  const series = [...(await scene.scrape())].filter(([name]) => name.startsWith('headgate_limit_decisions_total{'));
  return Object.fromEntries(
    series.map(([name, value]) => [name.slice('headgate_limit_decisions_total'.length), value]),
  );
}

test('a refused request: the limit, where it is written, how it stood, what was asked, when to come back', async () => {
  await using scene = await startExplainScene({
    pro: '[ { requests: 1/minute }, { tokens: 1M/day, per: organization } ]',
  });
  await scene.chat();
  const refused = await scene.chat();
  scene.clock.advance(60_000);
  await scene.chat();
  const explained = await scene.explainRequest(idOf(refused));
  assert.equal(explained.foundIn, 'memory');
  assert.deepEqual(
    [explained.status, explained.code, explained.admitted, explained.key, explained.model],
    [429, 'rate_limit_exceeded', false, 'acme.web', 'chat-large'],
  );
  assert.deepEqual(explained.binding, {
    id: 'pro.requests-per-minute',
    subject: 'acme.web',
    amount: 1,
    unit: 'requests',
    window: 'minute',
    source: 'headgate.yaml:15',
    used: 1,
    reserved: 0,
    remaining: 0,
    retryAfterMs: 60_000,
    words:
      'pro.requests-per-minute (headgate.yaml:15): 1 request per minute for key acme.web, with 1 used and 0 reserved; the request could pass it in 60 s',
    requested: 1,
  });
  assert.deepEqual(
    explained.states.map(({ id }) => id),
    ['pro.tokens-per-day', 'pro.requests-per-minute'],
  );
  assert.equal(explained.message, (JSON.parse(refused.text) as { error: { message: string } }).error.message);
  assert.match(
    explained.words[0]!,
    /acme\.web to chat-large at .*: refused by pro\.requests-per-minute with 429 rate_limit_exceeded\.$/,
  );
  assert.deepEqual(await decisions(scene), { '{limit="pro.requests-per-minute",decision="refused"}': 1 });
});

test('a request that waited: for how long, and for which limit', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 1/10s, onExceed: queue, maxWait: 20s } ]' });
  await scene.chat();
  const timers = scene.clock.pending;
  const waiting = scene.chat();
  await whileOneWaits(scene, timers, 10_000);
  const answer = await waiting;
  assert.equal(answer.status, 200);
  const explained = await scene.explainRequest(idOf(answer));
  assert.deepEqual(
    [explained.queueMs, explained.heldBy?.id, explained.heldBy?.used],
    [10_000, 'pro.requests-per-10s', 1],
  );
  assert.ok(explained.words.includes('It was held back for 10000 ms before it was forwarded.'));
  assert.deepEqual(await decisions(scene), { '{limit="pro.requests-per-10s",decision="queued"}': 1 });
});

test('a request that waited for its turn in a leaky bucket: for which one', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 60/minute, algorithm: leakyBucket, burst: 5 } ]' });
  await scene.chat();
  const timers = scene.clock.pending;
  const waiting = scene.chat();
  await whileOneWaits(scene, timers, 1000);
  const explained = await scene.explainRequest(idOf(await waiting));
  assert.deepEqual([explained.queueMs, explained.heldBy?.id], [1000, 'pro.requests-per-minute']);
  assert.deepEqual(await decisions(scene), { '{limit="pro.requests-per-minute",decision="queued"}': 1 });
});

test('a request that another model served: which limit sent it there, though that one does not bind the other model', async () => {
  await using scene = await startExplainScene({
    pro: '[ { requests: 1/hour, onExceed: degrade, models: [chat-large] } ]',
  });
  await scene.chat();
  const answer = await scene.chat();
  assert.equal(answer.headers['x-headgate-degraded'], 'chat-large');
  const explained = await scene.explainRequest(idOf(answer));
  assert.deepEqual([explained.model, explained.degradedFrom, explained.code], ['chat-small', 'chat-large', null]);
  assert.deepEqual([explained.heldBy?.id, explained.heldBy?.used], ['pro.requests-per-hour', 1]);
  assert.deepEqual(explained.states, [], 'nothing limits the other model');
  assert.ok(
    explained.words.includes(
      'It asked for chat-large; a limit with onExceed: degrade was over, so it went to chat-small.',
    ),
  );
  assert.deepEqual(await decisions(scene), { '{limit="pro.requests-per-hour",decision="degraded"}': 1 });
});

test('a stream that a limit cut: by which one, and how much it had delivered', async () => {
  await using scene = await startExplainScene({ pro: '[ { outputTokens: 20/minute, overrun: hard } ]' }, [
    { tokens: 400 },
  ]);
  const answer = await scene.chat({ stream: true, max_tokens: undefined });
  assert.match(answer.text, /"finish_reason":"length"/);
  const explained = await scene.explainRequest(idOf(answer));
  assert.deepEqual([explained.outcome, explained.code], ['cut_by_limit', 'output_limit_reached']);
  assert.equal(explained.binding?.id, 'pro.output-tokens-per-minute');
  assert.match(explained.words[0]!, /the stream was cut in the middle by pro\.output-tokens-per-minute/);
  assert.deepEqual(await decisions(scene), { '{limit="pro.output-tokens-per-minute",decision="cut"}': 1 });
});

test('a request over a limit that only reports: admitted, and which limit it was over', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 1/minute, onExceed: report, name: watch } ]' });
  await scene.chat();
  const explained = await scene.explainRequest(idOf(await scene.chat()));
  assert.deepEqual([explained.admitted, explained.status, explained.reported], [true, 200, ['pro.watch']]);
  assert.ok(
    explained.words.includes(
      'It was over pro.watch (headgate.yaml:15), which is 1 request per minute now; that limit only reports, and did not stop it.',
    ),
  );
});

test('a request whose targets are at their limits: by which limit', async () => {
  await using scene = await startExplainScene({ target: '[ { requests: 1/minute } ]' });
  await scene.chat();
  const explained = await scene.explainRequest(idOf(await scene.chat()));
  assert.deepEqual([explained.status, explained.code], [503, 'targets_at_limit']);
  assert.match(
    explained.words[0]!,
    /admitted, and ended by target:p1\/large\.requests-per-minute with 503 targets_at_limit/,
  );
});

test('an ordinary request is explained from the ledger: who, which target, which tokens, what cost', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 9/minute } ]' });
  const answer = await scene.chat();
  const explained = await scene.explainRequest(idOf(answer));
  assert.equal(explained.foundIn, 'ledger');
  const { inputTokens, outputTokens, costUsd, attempts, words } = explained;
  assert.deepEqual([explained.key, explained.status, outputTokens, attempts.length], ['acme.web', 200, 3, 1]);
  assert.ok(inputTokens > 0);
  assert.equal(costUsd, (inputTokens / 1e6 + (3 * 10) / 1e6).toFixed(9));
  assert.match(words[0]!, /admitted and answered with 200\.$/);
  assert.match(
    words[1]!,
    /^Attempt 1 at p1\/large: ok, 200 after .*; \d+ input and 3 output tokens, 0\.0000\d+ USD\.$/,
  );
});

test('a refusal that memory has lost is explained from the ledger, with the limit as it is configured now', async () => {
  await using scene = await startExplainScene({ pro: '[ { requests: 1/minute } ]' });
  await scene.chat();
  const id = idOf(await scene.chat());
  const found = await scene.gateway.ledger.find(id);
  assert.equal(found?.limit, 'pro.requests-per-minute');
  const explained = fromLedger(found!, scene.gateway.config.current);
  assert.deepEqual([explained.foundIn, explained.states, explained.binding], ['ledger', [], null]);
  assert.equal(explained.words[1], 'pro.requests-per-minute (headgate.yaml:15), which is 1 request per minute now.');
  const gone = fromLedger({ ...found!, limit: 'pro.gone' }, scene.gateway.config.current);
  assert.equal(gone.words[1], 'pro.gone, which the configuration has no longer.');
});

test('a request that is still running is said to be', async () => {
  const stalls: Behaviour = { faults: [{ kind: 'stall', after: { events: 2 } }] };
  await using scene = await startExplainScene({}, [{ script: () => stalls }]);
  const left = new AbortController();
  const answer = await fetch(`${scene.gateway.dataUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secretOf('acme.web')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat-large', stream: true, messages: [{ role: 'user', content: 'hello' }] }),
    signal: left.signal,
  });
  const problem = await scene.get(`/requests/${answer.headers.get('x-request-id')}`);
  assert.deepEqual([problem.status, (JSON.parse(problem.text) as { code: string }).code], [404, 'request_running']);
  left.abort();
});

test('an unknown request is not found, whatever characters its id has', async () => {
  await using scene = await startExplainScene();
  const asked = async (id: string) => {
    const { status, text } = await scene.get(`/requests/${id}`);
    return [status, (JSON.parse(text) as { code: string }).code];
  };
  for (const id of ['req_nothing', '%00', '%2F..%2F..%2Fetc', 'a%20b%0a', '%F0%9F%92%A5', "'%3B--"]) {
    assert.deepEqual(await asked(id), [404, 'unknown_request'], id);
  }
  for (const id of ['%E0%A4%A', '%', 'a'.repeat(257)]) assert.deepEqual(await asked(id), [400, 'invalid_id'], id);
});

const ORDINARY = { queueMs: 0, degradedFrom: null, reported: [], limit: null, code: null } as const;
const PLAIN: Decided = { ticket: { states: [], heldBy: null }, refusal: null };

test('the memory keeps the latest 10,000 calls that limits had something to say about, and no ordinary one', () => {
  const notables = new Notables();
  const note = (id: string, change: object) => notables.note(record(id, { ...ORDINARY, ...change }), PLAIN);
  note('ordinary', {});
  assert.equal(notables.size, 0);
  for (let nth = 0; nth < NOTABLE_MAX + 3; nth++) note(`req_${nth}`, { limit: 'pro.requests' });
  assert.equal(notables.size, NOTABLE_MAX);
  assert.equal(notables.find('req_2'), null);
  assert.equal(notables.find('req_3')?.record.id, 'req_3');
  assert.equal(notables.find(`req_${NOTABLE_MAX + 2}`)?.record.id, `req_${NOTABLE_MAX + 2}`);
});

test('the memory keeps whatever was refused, delayed, degraded, cut or reported', () => {
  const notables = new Notables();
  const changes = {
    refused: { limit: 'pro.requests' },
    delayed: { queueMs: 0.5 },
    degraded: { degradedFrom: 'chat-large' },
    reported: { reported: ['pro.watch'] },
    unavailable: { code: 'limits_unavailable' },
  };
  for (const [id, change] of Object.entries(changes)) {
    notables.note(record(id, { ...ORDINARY, ...change }), { ticket: null, refusal: new Refused('internal') });
    assert.equal(notables.find(id)?.record.id, id);
  }
});
