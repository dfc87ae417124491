import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { freePort, launch, listening } from '../children.ts';
import { publish } from '../published.ts';
import type { KeyName, SubjectName } from '../scenarios.ts';
import { JSON_MODEL } from '../traffic.ts';
import type { Site, Subject } from './subject.ts';

const manifest = new URL('../../package.json', import.meta.url);

const SECRETS: Record<KeyName, string> = {
  load: 'sk-bench-load',
  limited: 'sk-bench-limited',
  unknown: 'sk-bench-unknown',
};

const hashOf = (key: KeyName): string => `sha256:${createHash('sha256').update(SECRETS[key]).digest('hex')}`;

/** The limits of the key `load`: none is ever over. */
const TWO_LIMITS = ['requests: 1000000000/minute', 'tokens: 100000000000/minute'];
/** One of each kind at one level: a sliding window, a token bucket, a calendar quota and leases. */
const FOUR_KINDS = [
  'requests: 1000000000/minute',
  'tokens: 100000000000/minute, burst: 100000000000',
  'cost: 1000000 USD/month',
  'concurrency: 1000000',
];
const TWELVE_LIMITS = ['key', 'organization', 'tier'].flatMap((per) =>
  FOUR_KINDS.map((limit) => `${limit}, per: ${per}`),
);

/** Everything on: keys, limits, ledger, metrics, log. */
function configurationFor(
  { folder, upstreamPort }: Site,
  [data, admin]: readonly [number, number],
  models: readonly string[],
  limits: readonly string[],
): string {
  const model = (name: string) =>
    `  ${name}: { targets: [ { provider: bench, model: ${name}, price: { input: 0.20, output: 0.80 } } ] }`;
  return `region: local
listen: { data: "127.0.0.1:${data}", admin: "127.0.0.1:${admin}" }
stores:
  limits: memory
  ledger: "sqlite:${folder}/headgate.db"
providers:
  bench: { protocol: openai, baseUrl: "http://127.0.0.1:${upstreamPort}/v1", apiKey: sk-upstream, region: local }
models:
${models.map(model).join('\n')}
tiers:
  load:
    name: Load
    models: [${models.join(', ')}]
    limits:
${limits.map((limit) => `      - { ${limit} }`).join('\n')}
  limited:
    name: Limited
    models: [${models.join(', ')}]
    limits: [ { requests: 1/hour } ]
organizations:
  load: { tier: load, keys: { bench: { hash: "${hashOf('load')}" } } }
  limited: { tier: limited, keys: { bench: { hash: "${hashOf('limited')}" } } }
`;
}

function subject(name: SubjectName, models: readonly string[], limits: readonly string[]): Subject {
  return {
    name,
    async start(site) {
      const { folder, core } = site;
      const port = await freePort();
      const configuration = configurationFor(site, [port, await freePort()], models, limits);
      writeFileSync(`${folder}/headgate.yaml`, configuration);
      const logFile = `${folder}/log`;
      const args = [publish(`${folder}/package`), 'serve', '--config', `${folder}/headgate.yaml`];
      const child = launch({ command: process.execPath, args, logFile }, core);
      await listening(child, port, logFile);
      const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
      const headers = (key: KeyName) => [`authorization: Bearer ${SECRETS[key]}`];
      return { child, port, headers, version, configuration };
    },
  };
}

/** Headgate as users install it, serving these models. */
export function headgate(models: readonly string[]): Subject {
  return subject('headgate', models, TWO_LIMITS);
}

/** The same with so many limits: of twelve those of a key, its organization and its tier; of one that on requests. */
export function headgateWithLimits(count: 1 | 12): Subject {
  return count === 1
    ? subject('headgate-1-limit', [JSON_MODEL], TWELVE_LIMITS.slice(0, 1))
    : subject('headgate-12-limits', [JSON_MODEL], TWELVE_LIMITS);
}
