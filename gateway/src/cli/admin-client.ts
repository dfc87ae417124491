/** Asks a running gateway's admin listener. */
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { request } from 'undici';
import type { Environment } from '../config/env.ts';
import { parseAddress } from '../config/quantity.ts';
import { readSource } from '../config/source.ts';

const DEFAULT_ADMIN = '127.0.0.1:8081';
const WAIT_MS = 10_000;

/** How to find it: by its address, or by the configuration that it runs with. */
export interface AdminPlace {
  /** `http://127.0.0.1:8081`, or without the scheme. */
  readonly admin?: string | undefined;
  readonly config?: string | undefined;
}

/** The JSON it answered; or, as text for a person, why there is none. */
export type AdminReply = { readonly body: unknown } | { readonly failure: string };

/** The origin of the admin listener; or what is wrong with what was given. */
export function adminOrigin({ admin, config }: AdminPlace, env: Environment): { origin: string } | { failure: string } {
  if (admin !== undefined) return originOf(admin);
  const file = config ?? 'headgate.yaml';
  if (!existsSync(file)) {
    return config === undefined ? originOf(DEFAULT_ADMIN) : { failure: `There is no file ${file}.` };
  }
  const parsed = parseAddress(configured(file, env) ?? DEFAULT_ADMIN);
  if ('problem' in parsed)
    return { failure: `${file}: listen.admin: ${parsed.problem}. Name the listener with --admin.` };
  const { host, port } = parsed.value;
  if (port === 0) {
    return {
      failure: `${file}: listen.admin takes any free port; name the one it took with --admin http://host:port.`,
    };
  }
  // Where it listens on every address, it answers on this one.
  const reached = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return { origin: `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}` };
}

/** What the file says of `listen.admin`. The rest of it is not looked at: it may need an environment that is only the gateway's. */
function configured(file: string, env: Environment): string | undefined {
  const data = readSource(readFileSync(file, 'utf8'), basename(file), env).data as Tree;
  const admin = data?.['listen']?.['admin'];
  return typeof admin === 'string' ? admin : undefined;
}

type Tree = Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>> | null | undefined;

function originOf(text: string): { origin: string } | { failure: string } {
  const url = /^https?:\/\//.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url))
    return { failure: `--admin is no address: expected http://host:port such as http://${DEFAULT_ADMIN}.` };
  return { origin: new URL(url).origin };
}

/** Asks for `path`, with its query. */
export async function askAdmin(origin: string, path: string): Promise<AdminReply> {
  let status: number;
  let text: string;
  try {
    const answer = await request(`${origin}${path}`, { headersTimeout: WAIT_MS, bodyTimeout: WAIT_MS });
    status = answer.statusCode;
    text = await answer.body.text();
  } catch (error) {
    return { failure: notReached(origin, (error as NodeJS.ErrnoException).code ?? 'no answer') };
  }
  const body = parsed(text);
  if (status === 200 && body !== null) return { body };
  const detail = (body as { detail?: unknown } | null)?.detail;
  if (typeof detail === 'string') return { failure: `${detail[0]!.toUpperCase()}${detail.slice(1)}` };
  return { failure: `${origin} answered ${status} and nothing that Headgate says: is it the admin listener?` };
}

function notReached(origin: string, code: string): string {
  return (
    `Nothing answers at ${origin} (${code}). Start a gateway with \`npx headgate serve -c headgate.yaml\`, ` +
    'or name the admin listener of a running one with --admin http://host:port.'
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
