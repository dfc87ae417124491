/**
 * What `npm start` runs: the gateway with the configuration beside this file, and a simulated provider behind it unless
 * OPENAI_API_KEY says that the real one is to answer.
 */
import { join, resolve } from 'node:path';
import { systemClock, systemRandom, ulids } from '../../gateway/src/clock.ts';
import { type Environment, processEnvironment } from '../../gateway/src/config/env.ts';
import { InvalidConfig, type RunningGateway, startGateway } from '../../gateway/src/main.ts';
import { type Log, openLog } from '../../gateway/src/observe/log.ts';
import { startProvider } from '../../gateway/src/provider/server.ts';
import { eventLine, requestLine } from './lines.ts';
import { welcome } from './welcome.ts';

/** A pace at which a person can watch a stream arrive. */
const SIMULATED = { pacing: { ttftMs: 200, paceMs: 20 }, tokens: 60, entriesKept: 100, keepRequests: false };

const clock = systemClock;
const say = (text: string) => process.stdout.write(`${text}\n`);
const configFile = join(import.meta.dirname, 'headgate.yaml');
const given = processEnvironment();
const directory = resolve(import.meta.dirname, given['HEADGATE_QUICKSTART_DIRECTORY'] || '../../data');
const logFile = join(directory, 'quickstart.log');

try {
  const { env, models } = await modelSource(given);
  const gateway = await startGateway({
    configFile,
    env,
    clock,
    ids: ulids(clock),
    random: systemRandom,
    log: openLogs(),
    watch: true,
  });
  say(welcome({ gateway, models, configFile, logFile }));
  await stopped(gateway);
  process.exit(0);
} catch (error) {
  console.error(whyNot(error));
  process.exit(1);
}

/** Where the models are, in words, and the environment in which the configuration refers to it. */
async function modelSource(env: Environment): Promise<{ readonly env: Environment; readonly models: string }> {
  if (env['HEADGATE_QUICKSTART_BASE_URL']) return { env, models: env['HEADGATE_QUICKSTART_BASE_URL'] };
  if (env['OPENAI_API_KEY']) return { env, models: 'OpenAI, with your OPENAI_API_KEY' };
  const provider = await startProvider({ clock, ...SIMULATED });
  return {
    env: { ...env, HEADGATE_QUICKSTART_BASE_URL: `${provider.url}/v1` },
    models: 'simulated, since OPENAI_API_KEY is not set; set it and start again for real ones',
  };
}

/** Everything into the log file; on the terminal a short line for each request, and what went wrong or was changed. */
function openLogs(): Log {
  const file = openLog(clock, logFile, 'info', true);
  return {
    event(level, message, fields) {
      file.event(level, message, fields);
      if (level !== 'debug') say(eventLine(message, fields));
    },
    request(record) {
      file.request(record);
      say(requestLine(JSON.parse(record)));
    },
    get dropped() {
      return file.dropped;
    },
    flush: file.flush,
  };
}

/** Resolves when a signal asked for the end and everything is settled. A second signal does not wait for that. */
async function stopped(gateway: RunningGateway): Promise<void> {
  process.on('SIGHUP', () => gateway.reload());
  await new Promise<void>((resolve) => {
    let asked = false;
    const ask = () => {
      if (asked) process.exit(1);
      asked = true;
      resolve();
    };
    process.on('SIGINT', ask).on('SIGTERM', ask);
  });
  say(
    gateway.running === 0 ? '\nStopping.' : `\nStopping; ${gateway.running} running first finish. Again to cut them.`,
  );
  await gateway.stop();
}

function whyNot(error: unknown): string {
  if (error instanceof InvalidConfig) return `${error.message}\n\n${configFile} is not valid; nothing was started.`;
  const { code, port, message } = error as { code?: string; port?: number; message?: string };
  if (code !== 'EADDRINUSE') return `Headgate could not start: ${message ?? String(error)}`;
  return `Port ${port} is taken. Stop what uses it, or choose other ports:

  HEADGATE_DATA=127.0.0.1:18080 HEADGATE_ADMIN=127.0.0.1:18081 npm start`;
}
