/**
 * The configuration's one schema: names, types, defaults and documentation. The types, the checks, the published JSON
 * Schema and its documentation all come from here.
 */
import { z } from 'zod';
import type { Timeouts } from '../call.ts';
import { type LimitRule, ruleOf, type WrittenLimit } from './limit-rule.ts';
import { orElse } from './problem.ts';
import { type Parsed, parseAddress, parseCount, parseDuration, parsePrice, parseSize } from './quantity.ts';
import { parseCountRate, parseMoneyRate } from './rate.ts';

/** A map with these keys and no others. Its message for unknown keys has one line for each of them, in their order. */
function section<const Shape extends z.core.$ZodShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return 'expected a map of settings';
      return issue.keys.map((key) => `unknown key${orElse(key, known, 'one of ')}`).join('\n');
    },
  });
}

/** A text (or a number, which is a text to the file's reader) that `parse` turns into a value. */
function quantity<T>(parse: (text: string) => Parsed<T>) {
  return z.union([z.string(), z.number()], { error: expectedBy(parse) }).transform((given, context): T => {
    const parsed = parse(String(given));
    if ('value' in parsed) return parsed.value;
    context.addIssue({ code: 'custom', message: parsed.problem });
    return z.NEVER;
  });
}

/** What a parser says it expects when it is given nothing at all. */
function expectedBy(parse: (text: string) => Parsed<unknown>): string {
  const parsed = parse('');
  return 'problem' in parsed ? parsed.problem : 'expected a text';
}

function text(expected: string) {
  return z.string({ error: `expected ${expected}` }).min(1, { error: `expected ${expected}` });
}

function flag() {
  return z.boolean({ error: 'expected true or false' });
}

function list<T extends z.core.$ZodType>(item: T, of: string) {
  return z.array(item, { error: `expected a list of ${of}` });
}

function named<T extends z.core.$ZodType>(kind: string, name: z.ZodString, value: T) {
  return z.record(name, value, { error: `expected a map from the name of each ${kind} to its settings` });
}

/** Ids are put together from names with dots, so names have none. */
const plainName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, {
  error: 'expected a name of 1 to 64 letters, digits, "-" or "_"',
});

const modelName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$/, {
  error: 'expected a model name of 1 to 128 letters, digits or any of ._:/@-',
});

const duration = () => quantity(parseDuration);
const size = () => quantity(parseSize);
const count = () => quantity(parseCount);
const price = () => quantity(parsePrice);
const modelNames = () => list(text('the name of a model, or "*" for all'), 'model names');

function baseUrl() {
  const expected = 'expected a URL such as https://api.example.com/v1';
  return z.string({ error: expected }).transform((given, context): URL => {
    const url = URL.parse(given);
    const refuse = (message: string) => {
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    };
    if (url === null || !/^https?:$/.test(url.protocol)) return refuse(expected);
    if (url.username !== '' || url.password !== '') return refuse('a URL holds no credential here; use apiKey');
    if (url.search !== '' || url.hash !== '') return refuse('expected a URL without "?" and "#"');
    return url;
  });
}

/** Callers may make a link of it, so it must not be a script. */
function webAddress() {
  const error = 'expected a URL such as https://example.com/plans';
  return z.string({ error }).refine((given) => /^https?:$/.test(URL.parse(given)?.protocol ?? ''), { error });
}

function ledger() {
  const expected = 'expected sqlite: and a path, such as sqlite:data/headgate.db';
  return z
    .string({ error: expected })
    .regex(/^sqlite:./, { error: expected })
    .transform((given) => ({ kind: 'sqlite' as const, path: given.slice('sqlite:'.length) }));
}

function keyHash() {
  const expected =
    'expected "sha256:" and 64 hex digits, never the key itself; the digits are printed by: printf %s "$KEY" | sha256sum';
  return z
    .string({ error: expected })
    .regex(/^sha256:[0-9a-fA-F]{64}$/, { error: expected })
    .transform((given) => given.slice('sha256:'.length).toLowerCase());
}

function instant() {
  const expected = { error: 'expected a date such as 2027-01-31, or a time such as 2027-01-31T18:00:00Z' };
  return z.union([z.iso.date(), z.iso.datetime({ offset: true })], expected).transform((given) => Date.parse(given));
}

function timeZone() {
  return z.string({ error: 'expected a time zone such as Europe/Paris' }).transform((given, context) => {
    if (isTimeZone(given)) return given;
    const known = Intl.supportedValuesOf('timeZone');
    const suggestion = orElse(given, known, '').split('; expected')[0];
    context.addIssue({
      code: 'custom',
      message: `no such time zone${suggestion || '; expected one such as Europe/Paris'}`,
    });
    return z.NEVER;
  });
}

function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** The waits of an attempt that are not configured. Long reasoning is silent for minutes, so they are generous. */
const WAITS = { connect: '5s', headers: '10m', firstToken: '10m', idle: '5m', total: '60m' };

/** `whenLeftOut` says what a wait is that is not written. */
const timeouts = (whenLeftOut = (wait: keyof typeof WAITS) => WAITS[wait]) => {
  const wait = (name: keyof typeof WAITS, what: string) =>
    duration()
      .exactOptional()
      .describe(`${what} A duration; default ${whenLeftOut(name)}.`);
  return section({
    connect: wait('connect', 'Until the connection stands.'),
    headers: wait('headers', 'From the request being sent until the response headers.'),
    firstToken: wait('firstToken', 'From the request being sent until the first content of a stream.'),
    idle: wait('idle', 'Between two pieces of a body.'),
    total: wait('total', 'The whole attempt, first byte to last.'),
  });
};

const tokens = 'Counts such as 20k/minute, 1M/month or 100k/10s.';

/** A limit, as written at a place where these levels make sense; the first is the default. */
function limit(levels: readonly ['key'] | readonly ['key', 'organization'] | readonly ['organization', 'key']) {
  return section({
    requests: quantity(parseCountRate)
      .optional()
      .describe('The most requests in a window, such as 5/minute or 100/10s.'),
    tokens: quantity(parseCountRate).optional().describe(`The most input and output tokens in a window. ${tokens}`),
    inputTokens: quantity(parseCountRate).optional().describe(`The most input tokens in a window. ${tokens}`),
    outputTokens: quantity(parseCountRate).optional().describe(`The most output tokens in a window. ${tokens}`),
    cost: quantity(parseMoneyRate).optional().describe('The most money in a window, such as 20 USD/day.'),
    concurrency: count().optional().describe('The most requests at the same time. A count.'),
    per: z.enum(levels).default(levels[0]).describe('Whose use is added up.'),
    algorithm: z
      .enum(['slidingWindow', 'tokenBucket', 'calendar', 'concurrency'])
      .optional()
      .describe(
        'How it is counted. Default: tokenBucket with a burst; slidingWindow for windows of up to an hour and for lengths such as 24h; calendar for day, week, month and year.',
      ),
    burst: z
      .union([z.string(), z.number()], { error: 'expected an amount such as 40k' })
      .transform(String)
      .optional()
      .describe('How much a tokenBucket holds: a count, or money such as 5 USD for a cost. Default: the amount.'),
    timeZone: timeZone().optional().describe('The IANA time zone of a calendar limit. Default UTC.'),
    onExceed: z
      .enum(['reject', 'report'])
      .default('reject')
      .describe('What happens to a request over the limit: refused, or let through and reported.'),
    name: plainName
      .optional()
      .describe('What the id of the limit ends in. Default: made from the limit, such as tokens-per-minute.'),
  }).transform((written: WrittenLimit, context): LimitRule => {
    // What is already wrong with its keys is said; what follows from that is noise.
    if (context.issues.length > 0) return z.NEVER;
    const planned = ruleOf(written);
    if ('rule' in planned) return planned.rule;
    context.addIssue({ code: 'custom', message: planned.problem, path: planned.key === null ? [] : [planned.key] });
    return z.NEVER;
  });
}

const limits = (levels: Parameters<typeof limit>[0]) => list(limit(levels), 'limits');

const listen = section({
  data: quantity(parseAddress)
    .prefault('127.0.0.1:8080')
    .describe('Where callers connect. host:port; port 0 takes a free one.'),
  admin: quantity(parseAddress)
    .prefault('127.0.0.1:8081')
    .describe('Where operators connect: health, metrics. host:port.'),
  bodyMax: size().prefault('32MiB').describe('The largest request body accepted. A size.'),
  inflightMax: size().prefault('512MiB').describe('The most bytes of request bodies held at the same time. A size.'),
  bodyTimeout: duration().prefault('60s').describe('How long a request body may take to arrive. A duration.'),
  writeStall: duration()
    .prefault('60s')
    .describe('How long a caller may read nothing while bytes wait for it, before it is dropped. A duration.'),
  ping: z
    .union([z.literal('off').transform(() => null), duration()], { error: 'expected a duration such as 15s, or off' })
    .prefault('off')
    .describe('How often a silent stream is sent an SSE comment. A duration, or off.'),
  drain: duration().prefault('30s').describe('How long requests in flight may go on after SIGTERM. A duration.'),
});

const stores = section({
  limits: z
    .enum(['memory'])
    .default('memory')
    .describe('Where limits are counted: memory, for one gateway process.')
    .transform((kind) => ({ kind })),
  ledger: ledger()
    .prefault('sqlite:data/headgate.db')
    .describe('Where usage is kept: sqlite: and a path, which is relative to this file.'),
});

const provider = section({
  protocol: z.enum(['openai']).describe('The dialect it speaks.'),
  baseUrl: baseUrl().describe('Where its API is, as its SDK is told: https://api.example.com/v1.'),
  apiKey: z
    .union(
      [
        z.string(),
        z.strictObject({
          file: text('the path of a file').describe('A file that holds the key; relative to this file.'),
        }),
      ],
      {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is written in the file
        error: 'expected ${NAME}, { file: path } or a text',
      },
    )
    .optional()
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is written in the file
    .describe('The credential sent to it: ${NAME}, or { file: path }. Default: none is sent.'),
  region: text('the name of a region').optional().describe('Where it runs. Default: the region of this gateway.'),
  timeouts: timeouts().prefault({}).describe('How long to wait for it.'),
  includeUsage: flag()
    .default(true)
    .describe('Whether it understands stream_options.include_usage, which makes streams report their usage.'),
});

const target = section({
  provider: text('the name of a provider').describe('One of providers.'),
  model: text("the provider's name of a model").describe('The name by which the provider knows the model.'),
  price: section({
    input: price().describe('USD per million input tokens.'),
    output: price().describe('USD per million output tokens.'),
    cacheRead: price()
      .optional()
      .describe('USD per million input tokens read from the cache. Default: the input price.'),
    cacheWrite: price()
      .optional()
      .describe('USD per million input tokens written to the cache. Default: the input price.'),
  })
    .optional()
    .describe('What its tokens cost. Default: looked up in the price list by the exact name of the model.'),
  timeouts: timeouts(() => "the provider's")
    .prefault({})
    .describe("How long to wait, where it differs from the provider's."),
});

const model = section({
  strategy: z
    .enum(['priority'])
    .default('priority')
    .describe('How a target is chosen: priority, in the order written.'),
  targets: list(target, 'targets')
    .min(1, { error: 'expected at least one target' })
    .describe('What can serve the model, the preferred one first.'),
  expectedOutputTokens: count()
    .prefault(1024)
    .describe('Output tokens reserved for a request that states no maximum. A count.'),
  maxOutputTokens: count()
    .optional()
    .describe(
      'The most output tokens a request may ask for, and the maximum of one that states none. A count. Default: none.',
    ),
  unpriced: z
    .enum(['reject', 'allow'])
    .default('reject')
    .describe('What becomes of a request under a limit on cost when the price of its target is unknown.'),
});

const tier = section({
  name: text('the name of the tier as callers read it').optional().describe('As refusals say it. Default: its key.'),
  models: modelNames().default(['*']).describe('The models its organizations may call; "*" is all of them.'),
  limits: limits(['key', 'organization']).default([]).describe('The limits of each of its keys or organizations.'),
  upgrade: section({
    to: text('the name of a tier').describe('The tier that refusals recommend. One of tiers.'),
    url: webAddress().optional().describe('Where to upgrade; callers read it. An http or https URL. Default: none.'),
  })
    .optional()
    .describe('The way out that refusals offer. Default: none.'),
});

const key = section({
  hash: keyHash().describe('"sha256:" and the SHA-256 of the secret key in 64 hex digits.'),
  expires: instant()
    .optional()
    .describe(
      'When it stops being accepted: an ISO time, or a date, which is its first instant in UTC. Default: never.',
    ),
  revoked: flag().default(false).describe('Whether it is refused from now on.'),
  models: modelNames()
    .optional()
    .describe('The models it may call, of those its organization may. Default: all of them.'),
  limits: limits(['key']).default([]).describe('Its own limits, in addition to all others.'),
});

const organization = section({
  tier: text('the name of a tier').describe('One of tiers.'),
  models: modelNames().optional().describe('The models it may call, of those its tier may. Default: all of them.'),
  limits: limits(['organization', 'key']).default([]).describe('Its own limits, in addition to those of its tier.'),
  keys: named('key', plainName, key).default({}).describe('Its API keys by name.'),
});

export const configSchema = section({
  region: text('the name of a region').default('local').describe('Where this gateway runs.'),
  listen: listen.prefault({}).describe('Where and how requests are received. A change needs a restart.'),
  stores: stores.prefault({}).describe('Where state is kept. A change needs a restart.'),
  providers: named('provider', plainName, provider).default({}).describe('The model servers by name.'),
  models: named('model', modelName, model).default({}).describe('The models by the name that callers use.'),
  tiers: named('tier', plainName, tier).default({}).describe('What organizations may do, by name.'),
  organizations: named('organization', plainName, organization).default({}).describe('Who may call, by name.'),
});

/** A configuration as read: defaults filled in, quantities in their units, limits decided; references not yet followed. */
export type Config = z.output<typeof configSchema>;

/** The waits of an attempt that are not configured, in milliseconds. */
export const DEFAULT_TIMEOUTS = timeouts()
  .required()
  .transform((waits): Timeouts => waits)
  .parse(WAITS);
