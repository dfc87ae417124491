import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { check } from '../../src/cli/check.ts';

/** The exit code and what was written for `yaml`, with the path and version of the file taken out. */
function checked(context: TestContext, yaml: string): [number, string[]] {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'headgate.yaml');
  writeFileSync(file, yaml);
  let written = '';
  const code = check(file, { env: {}, write: (text) => (written += text) });
  return [
    code,
    written
      .replaceAll(directory, '')
      .replace(/version [0-9a-f]{12}/, 'version V')
      .split('\n'),
  ];
}

test('R45: check says what a valid configuration amounts to, limits in words, and exits 0', (context) => {
  const yaml = `
providers: { local: { protocol: openai, baseUrl: http://127.0.0.1:8000/v1 } }
models: { chat: { targets: [ { provider: local, model: a, price: { input: 0.15, output: 10 } }, { provider: local, model: b } ] } }
tiers:
  pro:
    name: Pro
    limits: [ { requests: 60/minute }, { tokens: 20k/10s, burst: 40k, onExceed: report }, { cost: 20.50 USD/day, per: organization }, { concurrency: 2 } ]
organizations: { acme: { tier: pro, keys: { web: { hash: "sha256:${'1'.repeat(64)}" } } } }
`;
  assert.deepEqual(checked(context, yaml), [
    0,
    [
      'warning  headgate.yaml:3:11: models.chat: key acme.web has a limit on cost and the price of local/b is unknown, so those calls are refused; write a price, or unpriced: allow',
      'warning  headgate.yaml:3:97: models.chat.targets[1]: the price of b is unknown: the price list does not know the provider; write one under price',
      '',
      'models:',
      '  chat: local/a, 0.15 in, 10 out USD per million tokens (config)',
      '  chat, then: local/b, price unknown',
      'keys:',
      '  acme.web: Pro, 1 model, 4 limits',
      'limits:',
      '  pro.requests-per-minute: 60 requests per minute for each key: never more in any minute (sliding window)',
      '  pro.tokens-per-10s: 20,000 tokens per 10 seconds for each key: refilled continuously, at most 40,000 at once (token bucket); reported, not refused',
      '  pro.cost-per-day: 20.5 USD per day for each organization: starts anew with each day in UTC (calendar)',
      '  pro.concurrency: 2 requests at the same time for each key: a slot comes back with the end of its answer, or 120 s after its gateway died (lease)',
      '',
      '/headgate.yaml is valid: version V, 2 warnings.',
      '',
    ],
  ]);
});

test('check says what waits, what degrades, when periods begin, and for which models a limit is', (context) => {
  const yaml = `
providers: { local: { protocol: openai, baseUrl: http://127.0.0.1:8000/v1 } }
models:
  chat:
    targets: [ { provider: local, model: a, price: { input: 1, output: 1 }, limits: [ { tokens: 1M/minute } ] } ]
    degradeTo: small
  small: { targets: [ { provider: local, model: b, price: { input: 0, output: 0 } } ] }
tiers:
  pro:
    limits:
      - { requests: 10/second, algorithm: leakyBucket, per: endUser }
      - { weightedTokens: 1M/week, weekStart: sunday, onExceed: degrade, models: ["ch*"] }
      - { tokens: 1M/week, per: organization }
      - { cost: 5 USD/month, anchorDay: 31, onExceed: queue, per: team }
      - { cost: 50 USD/year, anchorDay: 2, timeZone: Europe/Paris, per: tier }
organizations: { acme: { tier: pro, teams: { search: {} }, keys: { web: { hash: "sha256:${'1'.repeat(64)}", team: search } } } }
`;
  const [, lines] = checked(context, yaml);
  assert.deepEqual(lines.slice(lines.indexOf('keys:'), -3), [
    'keys:',
    '  acme.web: pro, 2 models, 5 limits',
    'limits:',
    '  target:local/a.tokens-per-minute: 1,000,000 tokens per minute for each target: never more in any minute (sliding window)',
    '  pro.requests-per-second: 10 requests per second for each end user: started at this pace, at most 20 in it (leaky bucket)',
    "  pro.weighted-tokens-per-week: 1,000,000 weighted tokens per week for each key: starts anew with each week in UTC on Sundays (calendar); sent to the model's degradeTo, not refused; only calls to ch*",
    '  pro.tokens-per-week: 1,000,000 tokens per week for each organization: starts anew with each week in UTC (calendar)',
    '  pro.cost-per-month: 5 USD per month for each team: starts anew with each month in UTC on day 31 (calendar); waits up to 2 s before it is refused',
    '  pro.cost-per-year: 50 USD per year for each tier: starts anew with each year in Europe/Paris on day 2 of January (calendar)',
  ]);
});

test('R45: check writes every problem of an invalid configuration, and exits 1', (context) => {
  assert.deepEqual(checked(context, 'regio: eu\nlisten: { drain: soon }\n'), [
    1,
    [
      'error    headgate.yaml:1:1: regio: unknown key; did you mean "region"?',
      'error    headgate.yaml:2:18: listen.drain: expected a duration such as 500ms, 2s, 15m or 6h',
      '',
      '/headgate.yaml is not valid: 2 problems.',
      '',
    ],
  ]);
});
