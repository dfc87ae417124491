/** The section `stores` as it may be written, with its documentation. */
import { z } from 'zod';
import { duration, quantity, secret, section, text } from './field.ts';
import { type Parsed, parseLease } from './quantity.ts';
import { parseRedisUrl, type RedisSettings } from './redis-url.ts';

function parseWhere(text: string): Parsed<{ readonly kind: 'memory' } | RedisSettings> {
  if (text === 'memory') return { value: { kind: 'memory' } };
  const parsed = parseRedisUrl(text);
  return 'value' in parsed
    ? parsed
    : { problem: parsed.problem.replace('expected a URL', 'expected memory, or a URL') };
}

const where = () => quantity(parseWhere);

/** Keys of a store that is not in this process. */
const REMOTE = ['password', 'ca', 'timeout'] as const;

const settings = {
  password: secret('the password')
    .optional()
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is written in the file
    .describe('Its password: ${NAME}, or { file: path }. Default: the one in the URL, else none.'),
  ca: text('the path of a file')
    .optional()
    .describe(
      'A file with the certificates, in PEM, that vouch for a rediss:// server; relative to this file. Default: those of the system.',
    ),
  timeout: duration()
    .optional()
    .describe('How long one of its answers may take before it counts as away. A duration. Default: 250ms.'),
  lease: quantity(parseLease)
    .prefault('2m')
    .describe(
      'How long a reservation, or a place of a concurrency limit, is held when its gateway does not renew it. A duration of at least 2s.',
    ),
  orphans: z
    .enum(['charge', 'refund'])
    .default('charge')
    .describe('What becomes of what a dead gateway had reserved: it counts as used, or not at all.'),
};

const limitStoreSettings = section({
  url: where().describe('memory, or the URL of a Redis or Valkey.'),
  ...settings,
}).superRefine(({ url, ...given }, context) => {
  const refuse = (key: string, message: string) => context.addIssue({ code: 'custom', message, path: [key] });
  if (url.kind === 'memory') {
    for (const key of REMOTE) if (given[key] !== undefined) refuse(key, `${key} is for a Redis, and url is memory`);
    return;
  }
  if (given.ca !== undefined && !url.tls) refuse('ca', 'certificates are for TLS: write rediss in the URL');
  if (given.password !== undefined && url.password !== null) refuse('password', 'the URL has a password already');
});

/** Either form; the short one is the URL alone. */
function limitStore() {
  const error = 'expected memory, a URL such as redis://host:6379/0, or a map with url';
  return z.union([z.string(), z.number(), limitStoreSettings], { error }).transform((given, context) => {
    if (typeof given === 'object') return given;
    const parsed = parseWhere(String(given));
    if ('value' in parsed) return { ...section(settings).parse({}), url: parsed.value };
    context.addIssue({ code: 'custom', message: parsed.problem });
    return z.NEVER;
  });
}

function ledger() {
  const expected = 'expected sqlite: and a path, such as sqlite:data/headgate.db';
  return z
    .string({ error: expected })
    .regex(/^sqlite:./, { error: expected })
    .transform((given) => ({ kind: 'sqlite' as const, path: given.slice('sqlite:'.length) }));
}

export const stores = section({
  limits: limitStore()
    .prefault('memory')
    .describe(
      'Where limits are counted: memory, for one gateway process; or, for all that share it, a Redis or Valkey: redis://host:6379/0, rediss:// with TLS, redis-sentinel://host:26379,host:26379/master, redis-cluster://host:6379,host:6379.',
    ),
  ledger: ledger()
    .prefault('sqlite:data/headgate.db')
    .describe('Where usage is kept: sqlite: and a path, which is relative to this file.'),
});
