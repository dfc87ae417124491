/**
 * The first limit: 5 requests a minute in front of a Python endpoint. 20 rapid requests: 5 reach it, 15 are refused with a
 * true retry-after, and a client that backs off finishes all 20. Exits with 1 when a promise is broken, 2 when it cannot run.
 *
 *     npm run example first-limit [-- --full]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Children } from './children.ts';
import { Promises } from './promises.ts';
import { endpointPython, PythonMissing } from './python.ts';
import { announcedMoment, backOff, rapidRequests, type Stage } from './story.ts';

const FOLDER = import.meta.dirname;
const GATEWAY = join(FOLDER, '../../gateway/src/cli/main.ts');
const DELAY_S = 0.5;
/** The limit of the tier `quick`: short, or the minute of the tier `starter`. */
const QUICK = { limit: '5/3s', windowMs: 3_000 };
const FULL = { limit: '5/minute', windowMs: 60_000 };

const say = (line: string) => process.stdout.write(`${line}\n`);
const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ended.abort());
process.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { full: { type: 'boolean', default: false } } });
  try {
    return await run(values.full ? FULL : QUICK);
  } catch (error) {
    if (ended.signal.aborted) return 130;
    console.error(error instanceof Error ? error.message : error);
    return error instanceof PythonMissing ? 2 : 1;
  }
}

async function run(quick: typeof QUICK): Promise<number> {
  const python = await endpointPython(say, ended.signal);
  const directory = mkdtempSync(join(tmpdir(), 'headgate-first-limit-'));
  using _ = { [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
  await using children = new Children();
  const interrupted = new Promise<number>((resolve) => {
    ended.signal.addEventListener('abort', () => resolve(130));
  });
  return await Promise.race([play(children, { python, directory, quick }), interrupted]);
}

interface Props {
  readonly python: string;
  /** Where the gateway keeps its ledger. */
  readonly directory: string;
  readonly quick: typeof QUICK;
}

async function play(children: Children, { python, directory, quick }: Props): Promise<number> {
  const endpoint = await children.start({
    name: 'endpoint',
    command: python,
    args: [join(FOLDER, 'endpoint.py'), '--port', '0', '--delay', String(DELAY_S)],
    url: (line) => /^endpoint on (\S+)/.exec(line)?.[1],
  });
  const gateway = await children.start({
    name: 'gateway',
    command: process.execPath,
    args: [GATEWAY, 'serve', '--config', join(FOLDER, 'headgate.yaml'), '--no-log-requests'],
    env: {
      HEADGATE_DATA: '127.0.0.1:0',
      HEADGATE_ADMIN: '127.0.0.1:0',
      HEADGATE_FIRST_LIMIT_ENDPOINT: endpoint,
      HEADGATE_FIRST_LIMIT_DIRECTORY: directory,
      HEADGATE_FIRST_LIMIT_QUICK: quick.limit,
    },
    url: (line) => /"data":"([^"]+)".*"msg":"serving"/.exec(line)?.[1],
  });
  say(`\nendpoint  ${endpoint}   FastAPI, answers after ${DELAY_S} s`);
  say(`gateway   ${gateway}   examples/first-limit/headgate.yaml`);

  const promises = new Promises(say);
  const stage: Stage = { baseURL: `${gateway}/v1`, endpoint, say, promises, quickWindowMs: quick.windowMs };
  await rapidRequests(stage);
  await announcedMoment(stage);
  await backOff(stage);
  say(promises.broken === 0 ? '\nEvery promise was kept.' : `\n${promises.broken} promises were BROKEN.`);
  return promises.broken === 0 ? 0 : 1;
}
