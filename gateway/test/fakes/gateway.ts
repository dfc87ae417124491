/** A real gateway on free ports with a ledger of its own, for one test. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock, systemRandom, ulids } from '../../src/clock.ts';
import type { Environment } from '../../src/config/env.ts';
import { type RunningGateway, startGateway } from '../../src/main.ts';
import { openLog } from '../../src/observe/log.ts';

export interface TestGatewayOptions {
  /** Everything but `listen` and `stores`; see {@link plainConfig}. */
  readonly yaml: string;
  /** More members of `listen`, as YAML flow text: `drain: 1s, ping: 15s`. */
  readonly listen?: string;
  /** Where limits are kept, as YAML flow text: `{ url: memory, lease: 2s }`. In memory unless given. */
  readonly limitStore?: string;
  readonly clock?: Clock;
  readonly env?: Environment;
  readonly watch?: boolean;
  /** A directory that outlives the gateway: a second one continues from the first one's ledger. */
  readonly directory?: string;
}

export interface TestGateway extends RunningGateway {
  readonly directory: string;
  readonly configFile: string;
  /** Everything logged so far. */
  log(): string;
  /** Replaces the configuration file (without reloading): the part behind `listen` and `stores`. */
  write(yaml: string): void;
  /** Stops it and removes its directory, unless that was given. */
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startTestGateway(options: TestGatewayOptions): Promise<TestGateway> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'headgate-test-'));
  const configFile = join(directory, 'headgate.yaml');
  const logFile = join(directory, 'log');
  const more = options.listen === undefined ? '' : `, ${options.listen}`;
  const head = `listen: { data: "127.0.0.1:0", admin: "127.0.0.1:0"${more} }\nstores: { limits: ${options.limitStore ?? 'memory'}, ledger: "sqlite:${directory}/ledger.db" }\n`;
  const write = (yaml: string) => writeFileSync(configFile, head + yaml);
  write(options.yaml);
  const clock = options.clock ?? systemClock;
  const log = openLog(clock, logFile, 'debug', true);
  const gateway = await startGateway({
    configFile,
    env: options.env ?? {},
    clock,
    ids: ulids(clock),
    random: systemRandom,
    log,
    watch: options.watch ?? false,
  });
  let stopped: Promise<void> | null = null;
  const stop = () => {
    stopped ??= gateway.stop();
    return stopped;
  };
  return Object.defineProperties({} as TestGateway, {
    ...Object.getOwnPropertyDescriptors(gateway),
    ...Object.getOwnPropertyDescriptors({
      directory,
      configFile,
      write,
      log() {
        log.flush();
        return readFileSync(logFile, 'utf8');
      },
      stop,
      async [Symbol.asyncDispose]() {
        await stop();
        if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
      },
    }),
  });
}

/** `sha256:...` of a key's secret, as the configuration wants it. */
export function hashOf(secret: string): string {
  return `sha256:${createHash('sha256').update(secret).digest('hex')}`;
}

/** The secret of the one key in {@link plainConfig}. */
export const TEST_KEY = 'sk-test-caller';

export interface PlainConfig {
  /** Base URLs of the providers `p1`, `p2` ..., without `/v1`. */
  readonly providers: readonly string[];
  /** Limits of the tier as YAML flow text: `[ { requests: 5/minute } ]`. */
  readonly limits?: string;
  /** Timeouts of every provider as YAML flow text: `{ headers: 1s }`. */
  readonly timeouts?: string;
  /** More members of the model `m`, as YAML flow text: `maxOutputTokens: 100`. */
  readonly model?: string;
  /** More members of every provider: `includeUsage: false`. */
  readonly provider?: string;
  /** The price of every target; `null` leaves it out. */
  readonly price?: string | null;
  /** The provider's name of the model; `m` unless given. */
  readonly providerModel?: string;
  /** More members of each target, in order: `limits: [ { concurrency: 1 } ]`. */
  readonly targetMembers?: readonly string[];
  /** More models, each as YAML text: `n: { targets: [ { provider: p1, model: n } ] }`. */
  readonly models?: readonly string[];
  /** More members of the key `web`: `team: search`. */
  readonly key?: string;
  /** More members of the organization `acme`: `teams: { search: {} }`. */
  readonly organization?: string;
  /** More keys of `acme`, each as YAML flow text: `app: { hash: "sha256:..." }`. */
  readonly keys?: readonly string[];
  /** More tiers and organizations, each as YAML flow text. */
  readonly tiers?: readonly string[];
  readonly organizations?: readonly string[];
}

/** One organization `acme` with one key `web`, tier Pro, and one model `m` served by every provider in order. */
export function plainConfig(plain: PlainConfig): string {
  const price = plain.price === null ? '' : `, price: ${plain.price ?? '{ input: 1, output: 2 }'}`;
  const providers = plain.providers.map((url, index) => {
    const timeouts = plain.timeouts === undefined ? '' : `, timeouts: ${plain.timeouts}`;
    return `  p${index + 1}: { protocol: openai, baseUrl: "${url}/v1", apiKey: sk-provider-${index + 1}${timeouts}${more(plain.provider)} }`;
  });
  const targets = plain.providers.map(
    (_, index) =>
      `      - { provider: p${index + 1}, model: "${plain.providerModel ?? 'm'}"${price}${more(plain.targetMembers?.[index])} }`,
  );
  const keys = [`web: { hash: "${hashOf(TEST_KEY)}"${more(plain.key)} }`, ...(plain.keys ?? [])];
  return `region: test-region
providers:
${providers.join('\n')}
models:
  m:
    targets:
${targets.join('\n')}
${plain.model === undefined ? '' : `    ${plain.model}\n`}${lines(plain.models)}tiers:
  pro: { name: Pro, limits: ${plain.limits ?? '[]'}, upgrade: { to: enterprise } }
  enterprise: { name: Enterprise }
${lines(plain.tiers)}organizations:
  acme: { tier: pro, keys: { ${keys.join(', ')} }${more(plain.organization)} }
${lines(plain.organizations)}`;
}

function more(members: string | undefined): string {
  return members === undefined ? '' : `, ${members}`;
}

function lines(entries: readonly string[] = []): string {
  return entries.map((entry) => `  ${entry}\n`).join('');
}
