/** `headgate serve`: runs the gateway until SIGTERM or SIGINT; SIGHUP reads the configuration anew. */
import type { Clock } from '../clock.ts';
import { systemRandom, ulids } from '../clock.ts';
import type { Environment } from '../config/env.ts';
import { InvalidConfig, startGateway } from '../main.ts';
import { type Level, openLog } from '../observe/log.ts';

export interface ServeOptions {
  readonly config: string;
  readonly clock: Clock;
  readonly env: Environment;
  /** A file for the log; standard output otherwise. */
  readonly logFile: string | null;
  readonly logLevel: Level;
  readonly logRequests: boolean;
  /** Takes what a person should read, without a line end. */
  readonly say: (line: string) => void;
  /** Told once requests are served, e.g. to print what to try. */
  readonly onReady?: (urls: { readonly dataUrl: string; readonly adminUrl: string }) => void;
}

/** Resolves with the exit code once everything is stopped and settled. */
export async function serveCommand(options: ServeOptions): Promise<number> {
  const { clock, env, say } = options;
  const log = openLog(clock, options.logFile ?? 1, options.logLevel, options.logRequests);
  try {
    const gateway = await startGateway({
      configFile: options.config,
      env,
      clock,
      ids: ulids(clock),
      random: systemRandom,
      log,
      watch: true,
    });
    log.event('info', 'serving', {
      data: gateway.dataUrl,
      admin: gateway.adminUrl,
      version: gateway.config.status.version,
    });
    options.onReady?.(gateway);
    const hangup = () => gateway.reload();
    process.on('SIGHUP', hangup);
    const signal = await firstSignal();
    log.event('info', 'draining', { signal, running: gateway.running });
    log.flush();
    process.once(signal, () => process.exit(1));
    await gateway.stop();
    process.off('SIGHUP', hangup);
    return 0;
  } catch (error) {
    if (error instanceof InvalidConfig) {
      for (const line of error.message.split('\n')) say(line);
      say(`${options.config} is not valid; nothing was started.`);
    } else say(startError(error));
    return 1;
  }
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}

function startError(error: unknown): string {
  const { code, port, message } = error as { code?: string; port?: number; message?: string };
  if (code === 'EADDRINUSE') return `Port ${port} is taken. Stop what uses it, or set 'listen' in the configuration.`;
  if (code === 'EACCES' && port !== undefined)
    return `This user may not listen on port ${port}. Choose one above 1023.`;
  return `Headgate could not start: ${message ?? String(error)}`;
}
