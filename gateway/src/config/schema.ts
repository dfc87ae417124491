/**
 * The configuration's one schema: names, types, defaults and documentation. The types, the checks, the published JSON
 * Schema and its documentation all come from here.
 */
import { z } from 'zod';
import type { Timeouts } from '../call.ts';
import {
  count,
  duration,
  flag,
  list,
  modelName,
  named,
  plainName,
  price,
  quantity,
  secret,
  section,
  size,
  text,
} from './field.ts';
import { limitsOf } from './limit-schema.ts';
import { parseAddress, parseCount } from './quantity.ts';
import { stores } from './stores-schema.ts';

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

const provider = section({
  protocol: z.enum(['openai']).describe('The dialect it speaks.'),
  baseUrl: baseUrl().describe('Where its API is, as its SDK is told: https://api.example.com/v1.'),
  apiKey: secret('the key')
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
  limits: limitsOf('target').describe(
    'What binds every attempt at it by way of this model, whoever calls: the rates that the provider gives.',
  ),
});

function reservedOutput() {
  const parse = (given: string) => {
    const parsed = parseCount(given);
    return 'value' in parsed ? parsed : { problem: 'expected cap, p95 or a count such as 512' };
  };
  const error = 'expected cap, p95 or a count such as 512';
  return z.union([z.enum(['cap', 'p95']), quantity(parse)], { error });
}

const reserve = section({
  output: reservedOutput()
    .prefault('cap')
    .describe(
      "Output tokens reserved before a call starts: cap, all that it may produce; p95, what 95 % of the model's answers stay below, as learnt; or a count.",
    ),
  step: count().prefault('1024').describe('Output tokens by which a stream extends what it reserved. A count.'),
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
  reserve: reserve
    .prefault({})
    .describe('How much output is reserved. Never more than the most that the call may produce.'),
  degradeTo: text('the name of a model')
    .optional()
    .describe(
      'The model that serves its calls when a limit with onExceed: degrade is over. One of models. Default: none.',
    ),
  limits: limitsOf('model').describe('What binds the calls to it, for everybody together unless said otherwise.'),
  unpriced: z
    .enum(['reject', 'allow'])
    .default('reject')
    .describe('What becomes of a request under a limit on cost when the price of its target is unknown.'),
});

const tier = section({
  name: text('the name of the tier as callers read it').optional().describe('As refusals say it. Default: its key.'),
  models: modelNames().default(['*']).describe('The models its organizations may call; "*" is all of them.'),
  limits: limitsOf('tier').describe('The limits of each of its keys, organizations, teams, users or end users.'),
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
  team: text('the name of a team')
    .optional()
    .describe("The team that it belongs to. One of the organization's teams. Default: that of its user, else none."),
  user: text('the name of a user')
    .optional()
    .describe("The user that it belongs to. One of the organization's users. Default: none."),
  limits: limitsOf('key').describe('Its own limits, in addition to all others.'),
});

const team = section({
  limits: limitsOf('team').describe('The limits of all of its keys together, unless said otherwise.'),
});

const user = section({
  team: text('the name of a team')
    .optional()
    .describe("The team that the user belongs to. One of the organization's teams. Default: none."),
  limits: limitsOf('user').describe("The limits of all of the user's keys together, unless said otherwise."),
});

const organization = section({
  tier: text('the name of a tier').describe('One of tiers.'),
  models: modelNames().optional().describe('The models it may call, of those its tier may. Default: all of them.'),
  limits: limitsOf('organization').describe('Its own limits, in addition to those of its tier.'),
  teams: named('team', plainName, team).default({}).describe('Its teams by name.'),
  users: named('user', plainName, user).default({}).describe('Its users by name: people who have keys.'),
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
