/** A gateway in front of simulated providers, and a caller: what most tests of the whole need. */
import { type Clock, systemClock } from '../../src/clock.ts';
import { type SimulatedProvider, type SimulatedProviderOptions, startProvider } from '../../src/provider/server.ts';
import { type PlainConfig, plainConfig, startTestGateway, TEST_KEY, type TestGateway } from './gateway.ts';
import { type Received, send } from './http-client.ts';
import { scrape } from './scrape.ts';

export interface StandOptions extends Omit<PlainConfig, 'providers'> {
  /** What each provider does, in the order of the targets; one that behaves well unless given. */
  readonly providers?: readonly Partial<SimulatedProviderOptions>[];
  /** The configuration for these base URLs; {@link plainConfig} unless given. */
  readonly yaml?: (urls: readonly string[]) => string;
  /** The gateway's clock. Providers have the system's, or their own. */
  readonly clock?: Clock;
  readonly listen?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly watch?: boolean;
}

/** A request as a test thinks of it: a small chat call of the one key unless it says otherwise. */
export interface Ask {
  readonly method?: string;
  readonly path?: string;
  /** The caller's secret; null sends none. */
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object | string | Buffer;
}

export interface Stand extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly providers: readonly SimulatedProvider[];
  /** How many requests all providers together have seen. */
  readonly seen: number;
  ask(ask?: Ask): Promise<Received>;
  /** What `/metrics` says now, by series as it is written there: `headgate_x_total{code="y"}`. */
  scrape(): Promise<ReadonlyMap<string, number>>;
}

export const CHAT = { model: 'm', max_tokens: 3, messages: [{ role: 'user', content: 'hello' }] } as const;

export async function startStand(options: StandOptions = {}): Promise<Stand> {
  const providers = await Promise.all(
    (options.providers ?? [{}]).map((provider) => startProvider({ clock: systemClock, ...provider })),
  );
  const urls = providers.map(({ url }) => url);
  const close = () => Promise.all(providers.map((provider) => provider.close()));
  const { clock, listen, env, watch } = options;
  const gateway = await startTestGateway({
    yaml: options.yaml?.(urls) ?? plainConfig({ ...options, providers: urls }),
    ...(clock !== undefined && { clock }),
    ...(listen !== undefined && { listen }),
    ...(env !== undefined && { env }),
    ...(watch !== undefined && { watch }),
  }).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    gateway,
    providers,
    get seen() {
      return providers.reduce((sum, { book }) => sum + book.totals.requests, 0);
    },
    ask: (ask = {}) => askGateway(gateway.dataUrl, ask),
    scrape: () => scrape(gateway.adminUrl),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await close();
    },
  };
}

/** Sends one request to the gateway at `url`. */
export function askGateway(url: string, ask: Ask): Promise<Received> {
  const { method = 'POST', path = '/v1/chat/completions', key = TEST_KEY, headers = {} } = ask;
  const body = ask.body ?? (method === 'POST' ? CHAT : undefined);
  return send({
    url,
    method,
    path,
    headers: { ...(key !== null && { authorization: `Bearer ${key}` }), ...headers },
    ...(body !== undefined && { body }),
  });
}

/** The error object of a refusal, as OpenAI's clients read it. */
export interface WireError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
  readonly headgate: Readonly<Record<string, unknown>>;
}

export function errorOf(received: Received): WireError {
  return (JSON.parse(received.text) as { error: WireError }).error;
}
