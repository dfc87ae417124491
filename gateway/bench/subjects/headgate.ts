import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { freePort, launch, listening } from '../children.ts';
import { publish } from '../published.ts';
import type { KeyName } from '../scenarios.ts';
import type { Subject } from './subject.ts';

const manifest = new URL('../../package.json', import.meta.url);

const SECRETS: Record<KeyName, string> = {
  load: 'sk-bench-load',
  limited: 'sk-bench-limited',
  unknown: 'sk-bench-unknown',
};

const hashOf = (key: KeyName): string => `sha256:${createHash('sha256').update(SECRETS[key]).digest('hex')}`;

/** Everything on: keys, a limit on requests and one on tokens (too large to refuse), ledger, metrics, log. */
function configurationFor(
  folder: string,
  data: number,
  admin: number,
  upstream: number,
  models: readonly string[],
): string {
  const model = (name: string) =>
    `  ${name}: { targets: [ { provider: bench, model: ${name}, price: { input: 0.20, output: 0.80 } } ] }`;
  return `region: local
listen: { data: "127.0.0.1:${data}", admin: "127.0.0.1:${admin}" }
stores:
  limits: memory
  ledger: "sqlite:${folder}/headgate.db"
providers:
  bench: { protocol: openai, baseUrl: "http://127.0.0.1:${upstream}/v1", apiKey: sk-upstream, region: local }
models:
${models.map(model).join('\n')}
tiers:
  load:
    name: Load
    models: [${models.join(', ')}]
    limits: [ { requests: 1000000000/minute }, { tokens: 100000000000/minute } ]
  limited:
    name: Limited
    models: [${models.join(', ')}]
    limits: [ { requests: 1/hour } ]
organizations:
  load: { tier: load, keys: { bench: { hash: "${hashOf('load')}" } } }
  limited: { tier: limited, keys: { bench: { hash: "${hashOf('limited')}" } } }
`;
}

/** Headgate as users install it, serving these models. */
export function headgate(models: readonly string[]): Subject {
  return {
    name: 'headgate',
    async start({ folder, upstreamPort, core }) {
      const port = await freePort();
      const configuration = configurationFor(folder, port, await freePort(), upstreamPort, models);
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
