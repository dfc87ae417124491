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
