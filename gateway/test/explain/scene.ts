/** A gateway with limits of every kind, on a clock that stands still, and the questions that its admin listener answers. */
import type { CallExplanation, ExplainedLimit, RequestExplanation } from '../../src/explain/document.ts';
import { hashOf } from '../fakes/gateway.ts';
import { type Received, send } from '../fakes/http-client.ts';
import { type Stand, type StandOptions, startStand } from '../fakes/stand.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

/** The secret of `acme.web`, and that of each other key: `sk-test-` and its id. */
export const secretOf = (keyId: string): string => `sk-test-${keyId}`;

/** The limits of the tier Pro, to which `acme.web` and `acme.night` belong. */
export interface Limits {
  readonly pro?: string;
  /** Of the target of chat-large. */
  readonly target?: string;
}

export function yamlWith({ pro = '[]', target = '[]' }: Limits): (urls: readonly string[]) => string {
  const key = (id: string, more = '') => `{ hash: "${hashOf(secretOf(id))}"${more} }`;
  return ([url]) => `region: test-region
providers:
  p1: { protocol: openai, baseUrl: "${url}/v1", apiKey: sk-provider }
models:
  chat-large:
    targets: [ { provider: p1, model: large, price: { input: 1, output: 10 }, limits: ${target} } ]
    expectedOutputTokens: 500
    degradeTo: chat-small
  chat-small: { targets: [ { provider: p1, model: small, price: { input: 1, output: 2 } } ] }
  chat-free: { targets: [ { provider: p1, model: unheard-of } ] }
tiers:
  free: { name: Free, models: [chat-small], upgrade: { to: pro, url: "https://example.com/plans" } }
  pro: { name: Pro, upgrade: { to: enterprise }, limits: ${pro} }
  enterprise: { name: Enterprise }
organizations:
  acme:
    tier: pro
    teams: { search: {} }
    keys:
      web: ${key('acme.web', ', team: search')}
      night: ${key('acme.night')}
      old: ${key('acme.old', ', revoked: true')}
  hobby: { tier: free, keys: { demo: ${key('hobby.demo')} } }
`;
}

export interface ExplainScene extends Stand {
  readonly clock: VirtualClock;
  /** Sends a chat call of `key` and waits for the whole answer. */
  chat(body?: object, key?: string): Promise<Received>;
  /** What the admin listener answers at `/explain` and this path and query. */
  get(rest: string): Promise<Received>;
  explainCall(query: string): Promise<CallExplanation>;
  explainRequest(id: string): Promise<RequestExplanation>;
}

export async function startExplainScene(
  limits: Limits = {},
  providers: NonNullable<StandOptions['providers']> = [{}],
): Promise<ExplainScene> {
  const clock = new VirtualClock();
  const stand = await startStand({ clock, yaml: yamlWith(limits), providers });
  const get = (rest: string) => send({ url: stand.gateway.adminUrl, method: 'GET', path: `/explain${rest}` });
  const answered = async (rest: string) => {
    const { status, text } = await get(rest);
    if (status !== 200) throw new Error(`${status} ${text}`);
    return JSON.parse(text) as unknown;
  };
  const messages = [{ role: 'user', content: 'hello' }];
  return Object.assign(stand, {
    clock,
    get,
    chat: (body: object = {}, key = 'acme.web') =>
      stand.ask({ key: secretOf(key), body: { model: 'chat-large', max_tokens: 3, messages, ...body } }),
    explainCall: async (query: string) => (await answered(`?${query}`)) as CallExplanation,
    explainRequest: async (id: string) => (await answered(`/requests/${id}`)) as RequestExplanation,
  });
}

/** The one limit of the explanation whose id ends so. */
export function limitOf({ limits }: CallExplanation, end: string): ExplainedLimit {
  const found = limits.filter(({ id }) => id.endsWith(end));
  if (found.length !== 1) throw new Error(`${found.length} limits end in ${end}`);
  return found[0]!;
}

export function idOf({ headers }: Received): string {
  return headers['x-request-id']!;
}
