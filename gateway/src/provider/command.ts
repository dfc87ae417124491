/** `headgate provider`: the simulated model server as a command. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Clock } from '../clock.ts';
import type { Cut } from './cut.ts';
import { type Chance, NotationError, parseChance, parseCount, parseCut, parseDuration } from './notation.ts';
import { listRecordings } from './recording.ts';
import { seeded } from './seeded.ts';
import { type SimulatedProvider, startProvider } from './server.ts';

/** What the command needs of its surroundings. */
export interface ProviderCommandSurroundings {
  readonly clock: Clock;
  /** Prints one line. */
  readonly write: (line: string) => void;
  /** Ends the command when aborted. */
  readonly signal: AbortSignal;
}

interface Flags {
  readonly host: string;
  readonly port: number;
  readonly ttft: number;
  readonly pace: number;
  readonly tokens: number;
  readonly fault: readonly Chance[];
  readonly seed: number;
  readonly replay?: string;
  readonly cut?: Cut;
  readonly quiet?: boolean;
}

const ENTRIES_KEPT = 1000;
const SECOND = 1000;

const MORE = `
Faults, each with an optional chance (status=500:10%):
  status=500        an error answer (429 and 503 with retry-after: 1)
  delay=2s          so much longer until the headers
  first-token=10s   headers at once, so much longer until the first token
  stall=5           nothing more after 5 events, connection open
  cut=20  cut=300B  the body ends after 20 events or 300 bytes, as if that were all
  close=20          the connection is closed there, in the middle of the answer
  reset=20          the connection is reset there
  error=5           after 5 events an error event instead of the rest
  garbage=http      no HTTP at all; =json: a web page; =sse: half an event among the good ones
  empty             status 200 and no body
  no-done           a stream without [DONE]
  silent            the connection is accepted, and nothing comes

A model's name can ask for the same, for one request: sim@ttft=1s,pace=20ms,tokens=50,cut=5:50%

GET /_provider/book tells what was served; DELETE /_provider/book starts it anew.`;

export function providerCommand(surroundings: ProviderCommandSurroundings): Command {
  return new Command('provider')
    .description('run a simulated model server that speaks the OpenAI protocol and bills nobody')
    .addOption(new Option('--host <address>', 'address to listen on').default('127.0.0.1'))
    .addOption(
      new Option('--port <port>', 'port to listen on; 0: any')
        .default(9000)
        .argParser(noted((text) => parseCount(text, 0))),
    )
    .addOption(new Option('--ttft <time>', 'time to first token').default(0, '0').argParser(noted(parseDuration)))
    .addOption(new Option('--pace <time>', 'time from token to token').default(0, '0').argParser(noted(parseDuration)))
    .addOption(new Option('--tokens <n>', 'completion tokens of an answer').default(100).argParser(noted(parseCount)))
    .addOption(
      new Option('--fault <fault>', 'a fault, see below; may be repeated').default([], 'none').argParser(addChance),
    )
    .addOption(
      new Option('--seed <n>', 'chooses which requests the faults befall')
        .default(1)
        .argParser(noted((text) => parseCount(text, 0))),
    )
    .addOption(
      new Option('--replay <folder>', 'recordings to answer with: for the model openai/NAME, the one of that name'),
    )
    .addOption(
      new Option(
        '--cut <how>',
        'cut bodies into writes: whole, event, random, utf8, crlf or every so many bytes',
      ).argParser(noted(parseCut)),
    )
    .addOption(new Option('--quiet', 'do not print what was served'))
    .addHelpText('after', MORE)
    .action((flags: Flags) => runProvider(flags, surroundings));
}

async function runProvider(flags: Flags, { clock, write, signal }: ProviderCommandSurroundings): Promise<void> {
  const { host, port, ttft, pace, tokens, fault: chances, seed, replay, cut, quiet } = flags;
  const provider = await startProvider({
    clock,
    random: seeded(seed),
    host,
    port,
    pacing: { ttftMs: ttft, paceMs: pace },
    tokens,
    chances,
    recordings: replay === undefined ? [] : listRecordings(replay),
    entriesKept: ENTRIES_KEPT,
    keepRequests: false,
    ...(cut === undefined ? {} : { cut }),
  });
  write(`simulated model server on ${provider.url}/v1`);
  write(describe(flags));
  const reporting = quiet ? null : clock.every(SECOND, reporter(provider, write));
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  clock.clear(reporting);
  await provider.close();
}

/** The flags in effect, on one line. */
function describe({ ttft, pace, tokens, fault, seed, replay, cut }: Flags): string {
  const said = [`ttft ${ttft} ms`, `pace ${pace} ms`, `${tokens} tokens`];
  for (const { fault: each, rate } of fault) said.push(`${JSON.stringify(each)} at ${rate * 100}%`);
  if (fault.length > 0) said.push(`seed ${seed}`);
  if (replay !== undefined) said.push(`recordings of ${replay}`);
  if (cut !== undefined) said.push(`cut ${JSON.stringify(cut)}`);
  return said.join(', ');
}

/** One line for each second in which something happened. */
function reporter(provider: SimulatedProvider, write: (line: string) => void): () => void {
  let last = provider.book.totals;
  let seen = { ...last };
  return () => {
    const totals = provider.book.totals;
    // A reset of the book starts new totals, and from zero.
    const before = totals === last ? seen : { ...totals, requests: 0, writtenTokens: 0, broken: 0, aborted: 0 };
    const since = (field: 'requests' | 'writtenTokens' | 'broken' | 'aborted'): number => totals[field] - before[field];
    const [requests, tokens, broken, aborted] = [
      since('requests'),
      since('writtenTokens'),
      since('broken'),
      since('aborted'),
    ];
    last = totals;
    seen = { ...totals };
    if (requests + tokens + broken + aborted === 0) return;
    write(`${requests} requests, ${tokens} tokens, ${totals.open} open, ${aborted} aborted, ${broken} broken`);
  };
}

function addChance(text: string, before: readonly Chance[]): Chance[] {
  return [...before, noted(parseChance)(text)];
}

/** The same parser, failing as commander wants it. */
function noted<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof NotationError) throw new InvalidArgumentError(`${error.message}.`);
      throw error;
    }
  };
}
