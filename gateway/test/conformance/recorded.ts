/** The recordings as calls: what to ask, and a provider and a gateway that both answer it with the recorded bytes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RequestRecord } from '../../src/call.ts';
import { systemClock } from '../../src/clock.ts';
import type { Behaviour } from '../../src/provider/answer.ts';
import { listRecordings, type Recording } from '../../src/provider/recording.ts';
import { seeded } from '../../src/provider/seeded.ts';
import { type SimulatedProvider, startProvider } from '../../src/provider/server.ts';
import { hashOf, startTestGateway, TEST_KEY, type TestGateway } from '../fakes/gateway.ts';
import { until } from '../fakes/until.ts';

export type RecordedOperation = 'chat' | 'completions' | 'embeddings' | 'models';

/** A request body as the recorder kept it; `model` is still the recorded one. */
export type RecordedBody = Readonly<Record<string, unknown>>;

/** Repeats every random cut. */
export const SEED = 20261121;

const FOLDER = join(import.meta.dirname, '../recordings');
const OPERATION = /\/(?:sdk-)?(chat|completions|embeddings|models)-/;

const ALL = listRecordings(FOLDER);

/** Every recording of a model that was called; the recorded list of models is none, for Headgate lists its own. */
export const RECORDINGS: readonly Recording[] = ALL.filter((recording) => operationOf(recording) !== 'models');
export const STREAMS: readonly Recording[] = RECORDINGS.filter(({ streamed }) => streamed);

export function recordingOf(name: string): Recording {
  const found = RECORDINGS.find((recording) => recording.name === name);
  if (found === undefined) throw new Error(`there is no recording ${name}`);
  return found;
}

export function operationOf({ name }: Recording): RecordedOperation {
  const match = OPERATION.exec(name);
  if (match === null) throw new Error(`${name} does not say what was called`);
  return match[1] as RecordedOperation;
}

/** Below `/v1`. */
export function pathOf(recording: Recording): string {
  return operationOf(recording) === 'chat' ? '/chat/completions' : `/${operationOf(recording)}`;
}

/** The recorded request body; where it was not kept, a body that such an answer can be for. */
export function requestOf({ requestBody, streamed }: Recording): RecordedBody {
  if (typeof requestBody === 'object' && requestBody !== null) return requestBody as RecordedBody;
  const asks = streamed ? { stream: true, stream_options: { include_usage: true } } : {};
  return { model: 'not-kept', messages: [{ role: 'user', content: 'Hello' }], ...asks };
}

/** A provider that answers with recordings, and a gateway in front of it. */
export interface Pair {
  readonly provider: SimulatedProvider;
  readonly gateway: TestGateway;
  /** What every answer is like from now on, beyond the recording. */
  behaviour: Behaviour;
  /** The name that callers of the gateway use for the model that answers with this recording. */
  alias(recording: Recording): string;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The provider answers a request for the model named like a recording with it; the gateway has a model for each, under another
 * name, so that the model is replaced in every body. `provider`: more members of the provider, as YAML flow text.
 */
export async function startPair(recordings: readonly Recording[], provider = ''): Promise<Pair> {
  const byName = new Map(recordings.map((recording) => [recording.name, recording]));
  const pair: { behaviour: Behaviour } = { behaviour: {} };
  const simulated = await startProvider({
    clock: systemClock,
    random: seeded(SEED),
    recordings,
    script: () => pair.behaviour,
  });
  const gateway = await startTestGateway({ yaml: yamlFor([...byName.keys()], simulated.url, provider) });
  return Object.assign(pair, {
    provider: simulated,
    gateway,
    alias: ({ name }: Recording) => aliasOf(name),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await simulated.close();
    },
  });
}

/** What the ledger says of the last calls through the pair's gateway, newest first, when all of them are settled. */
export async function recorded({ gateway }: Pair, calls: number): Promise<readonly RequestRecord[]> {
  await until('every call is over', () => gateway.running === 0);
  await gateway.ledger.flush();
  return gateway.ledger.recent(calls);
}

const aliasOf = (name: string): string => `via-headgate/${name}`;

function yamlFor(names: readonly string[], url: string, provider: string): string {
  const models = names.map((name) => `  "${aliasOf(name)}": { targets: [ { provider: recorded, model: "${name}" } ] }`);
  return `providers:
  recorded: { protocol: openai, baseUrl: "${url}/v1", apiKey: sk-provider${provider === '' ? '' : `, ${provider}`} }
models:
${models.join('\n')}
tiers:
  pro: { name: Pro }
organizations:
  acme: { tier: pro, keys: { web: { hash: "${hashOf(TEST_KEY)}" } } }
`;
}

/** The lines of the recordings' MANIFEST.tsv, with the usage that each reports; null when it reports none. */
export function manifest(): { readonly file: string; readonly usage: Readonly<Record<string, unknown>> | null }[] {
  const [header, ...lines] = readFileSync(join(FOLDER, 'MANIFEST.tsv'), 'utf8').trimEnd().split('\n');
  const columns = header!.split('\t');
  return lines.map((line) => {
    const fields = line.split('\t');
    const usage = fields[columns.indexOf('usage')]!;
    return {
      file: fields[columns.indexOf('file')]!,
      usage: usage === '' ? null : (JSON.parse(usage) as Record<string, unknown>),
    };
  });
}
