/** The command line: `headgate serve | check | explain | schema | provider`. Reads the process; everything it calls is handed what it needs. */
import { existsSync } from 'node:fs';
import { Command, Option } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { systemClock } from '../clock.ts';
import { processEnvironment } from '../config/env.ts';
import type { Level } from '../observe/log.ts';
import type { ExplainOptions } from './explain.ts';
import { serveCommand } from './serve.ts';

const DEFAULT_CONFIG = 'headgate.yaml';
const say = (line: string) => process.stderr.write(`${line}\n`);
const write = (text: string) => process.stdout.write(text);

const configOption = () => new Option('-c, --config <file>', 'the configuration file').default(DEFAULT_CONFIG);

/** Says what to do when the file is not there, before anything else complains about it. */
function missing(file: string): boolean {
  if (existsSync(file)) return false;
  say(`There is no file ${file}. Name one with --config, or start from examples/quickstart/headgate.yaml.`);
  return true;
}

const program = new Command('headgate')
  .description('an API gateway for LLM inference endpoints: exact token and cost limits, routing, metering')
  .version(manifest.version)
  .showHelpAfterError()
  .showSuggestionAfterError();

program
  .command('serve')
  .description('run the gateway; SIGHUP or a change of the file reloads it, SIGTERM drains it')
  .addOption(configOption())
  .option('--log-file <file>', 'write the log to a file instead of standard output')
  .addOption(
    new Option('--log-level <level>', 'the least important events to log')
      .choices(['debug', 'info', 'warn', 'error'])
      .default('info'),
  )
  .option('--no-log-requests', 'leave out the line of each request')
  .action(async (options: { config: string; logFile?: string; logLevel: Level; logRequests: boolean }) => {
    process.exitCode = missing(options.config)
      ? 1
      : await serveCommand({
          config: options.config,
          clock: systemClock,
          env: processEnvironment(),
          logFile: options.logFile ?? null,
          logLevel: options.logLevel,
          logRequests: options.logRequests,
          say,
        });
  });

program
  .command('check')
  .description('say everything that is wrong with a configuration, or what it amounts to')
  .argument('[file]', 'the configuration file')
  .addOption(configOption())
  .action(async (file: string | undefined, options: { config: string }) => {
    const path = file ?? options.config;
    process.exitCode = missing(path)
      ? 1
      : (await import('./check.ts')).check(path, { env: processEnvironment(), write });
  });

program
  .command('explain')
  .description(
    'say which limits apply to a call and which binds next, or why a request was delayed, degraded or refused',
  )
  .argument('[request]', 'the id of a request, from x-request-id of its answer')
  .option('--key <id>', 'the public id of a key, such as acme.web')
  .option('--model <name>', 'the model that is called with it')
  .option('--end-user <name>', 'the user of the caller for whom it is called')
  .option('--input-tokens <count>', 'the size of the requests in question (default: 1000)')
  .option('--output-tokens <count>', "the size of their answers (default: the model's expectedOutputTokens)")
  .option('--admin <url>', 'the admin listener of the gateway (default: listen.admin of the configuration)')
  .option('-c, --config <file>', 'the configuration file of the gateway (default: headgate.yaml, when there is one)')
  .option('--json', 'print what the admin API answers')
  .action(async (id: string | undefined, options: ExplainOptions) => {
    const { explainCommand } = await import('./explain.ts');
    process.exitCode = await explainCommand(id, options, { env: processEnvironment(), write, say });
  });

program
  .command('schema')
  .description('print the JSON Schema of the configuration, for editors')
  .action(async () => {
    write((await import('../config/json-schema.ts')).jsonSchemaText());
  });

// A gateway that serves does not hold the simulated provider in memory.
if (process.argv[2] !== 'serve') {
  const { providerCommand } = await import('../provider/command.ts');
  const ended = new AbortController();
  const provider = providerCommand({ clock: systemClock, write: (line) => write(`${line}\n`), signal: ended.signal });
  provider.hook('preAction', () => {
    process.once('SIGINT', () => ended.abort());
    process.once('SIGTERM', () => ended.abort());
  });
  program.addCommand(provider);
}

try {
  await program.parseAsync();
} catch (error) {
  const { code, port } = error as { code?: string; port?: number };
  if (code !== 'EADDRINUSE') throw error;
  say(`Port ${port} is taken. Stop what uses it, or choose another with --port.`);
  process.exitCode = 1;
}
