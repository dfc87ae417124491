/** A limit as it may be written, with its documentation. */
import { z } from 'zod';
import type { Level } from '../policy/limit.ts';
import { count, list, plainName, quantity, section, text } from './field.ts';
import { WEEKDAYS } from './limit-algorithm.ts';
import { type LimitRule, ruleOf, type WrittenLimit } from './limit-rule.ts';
import { orElse } from './problem.ts';
import { parseMaxWait, parseMonthDay, parseWeight } from './quantity.ts';
import { parseCountRate, parseMoneyRate } from './rate.ts';

/** By where a limit is written, whose use it may add up; the first is the default. */
const LEVELS = {
  tier: ['key', 'organization', 'team', 'user', 'endUser', 'model', 'tier'],
  organization: ['organization', 'team', 'user', 'key', 'endUser', 'model'],
  team: ['team', 'user', 'key', 'endUser', 'model'],
  user: ['user', 'key', 'endUser', 'model'],
  key: ['key', 'endUser', 'model'],
  model: ['model', 'organization', 'team', 'user', 'key', 'endUser'],
  target: ['target'],
} as const satisfies Readonly<Record<string, readonly [Level, ...Level[]]>>;

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

const tokens = 'Counts such as 20k/minute, 1M/month or 100k/10s.';

const rate = (what: string) => quantity(parseCountRate).optional().describe(what);

const weight = (what: string) => quantity(parseWeight).optional().describe(what);

const weights = section({
  input: weight('An input token that is of no other kind. Default: 1.'),
  cacheRead: weight('An input token read from the cache. Default: 0.1.'),
  cacheWrite: weight('An input token written to the cache. Default: 1.25.'),
  output: weight('An output token that is of no other kind. Default: 1.'),
  reasoning: weight('An output token of reasoning. Default: the weight of output.'),
  audio: weight('An input or output token of audio. Default: 1.'),
});

/** What is counted. */
const dimensions = {
  requests: rate('The most requests in a window, such as 5/minute or 100/10s.'),
  tokens: rate(`The most input and output tokens in a window. ${tokens}`),
  inputTokens: rate(`The most input tokens in a window. ${tokens}`),
  outputTokens: rate(`The most output tokens in a window. ${tokens}`),
  weightedTokens: rate(`The most tokens in a window, each times its weight. ${tokens}`),
  cost: quantity(parseMoneyRate).optional().describe('The most money in a window, such as 20 USD/day.'),
  concurrency: count().optional().describe('The most requests at the same time. A count.'),
  weights: weights
    .optional()
    .describe(
      'What a token of each kind counts under weightedTokens: numbers from 0 to 1000 with at most 3 decimals. Default: those below.',
    ),
};

/** How it is counted. */
const counting = {
  models: list(text('the name of a model, or a pattern with *'), 'model names')
    .min(1, { error: 'expected at least one model' })
    .optional()
    .describe(
      'Names of models, or patterns with * such as "gpt-*": only calls to these are counted. Default: all models.',
    ),
  algorithm: z
    .enum(['slidingWindow', 'tokenBucket', 'leakyBucket', 'calendar', 'concurrency'])
    .optional()
    .describe(
      'How it is counted. Default: tokenBucket with a burst; slidingWindow for windows of up to an hour and for lengths such as 24h; calendar for day, week, month and year.',
    ),
  burst: z
    .union([z.string(), z.number()], { error: 'expected an amount such as 40k' })
    .transform(String)
    .optional()
    .describe(
      'How much a tokenBucket holds, or how much waits in a leakyBucket: a count, or money such as 5 USD for a cost. Default: the amount; for a leakyBucket what flows out in maxWait.',
    ),
  timeZone: timeZone().optional().describe('The IANA time zone of a calendar limit. Default: UTC.'),
  weekStart: z.enum(WEEKDAYS).optional().describe('The day on which a calendar week begins. Default: monday.'),
  anchorDay: quantity(parseMonthDay)
    .optional()
    .describe(
      'The day on which a calendar month begins, and in January a calendar year: 1 to 31; the last day where a month is shorter. Default: 1.',
    ),
};

/** What happens when it binds, or cannot be counted. */
const conduct = {
  onExceed: z
    .enum(['reject', 'queue', 'degrade', 'report'])
    .default('reject')
    .describe(
      "What happens to a request over the limit: refused; held back until it passes, for maxWait at most; sent to the model's degradeTo; or let through and reported.",
    ),
  maxWait: quantity(parseMaxWait)
    .optional()
    .describe(
      'How long onExceed: queue holds a request back, or a leakyBucket lets one wait, at most. A duration of at most 60s. Default: 2s; for a leakyBucket of tokens or cost 60s.',
    ),
  onStoreError: z
    .enum(['localShare', 'closed', 'open'])
    .optional()
    .describe(
      'What it does while the store of limits does not answer: each process enforces its share of the amount, nothing passes, or everything passes. Default: closed for calendar limits on cost, and on tokens of a day and longer; else localShare.',
    ),
  overrun: z
    .enum(['hard', 'soft'])
    .optional()
    .describe(
      'What happens to a stream that needs more than is left: ended at the limit, or finished into debt. Default: hard for limits on cost and calendar limits; else, and with onExceed: report, soft.',
    ),
  mode: z
    .enum(['exact', 'leased'])
    .default('exact')
    .describe(
      'Where it is decided: each time in the store, or mostly from a part of the amount that a process takes in advance, for hot keys. Neither admits more than the amount.',
    ),
  name: plainName
    .optional()
    .describe('What the id of the limit ends in. Default: made from the limit, such as tokens-per-minute.'),
};

/** The limits written at a place of this kind. */
export function limitsOf(place: keyof typeof LEVELS) {
  const levels: readonly [Level, ...Level[]] = LEVELS[place];
  const per = z.enum(levels).default(levels[0]).describe('Whose use is added up.');
  const limit = section({ ...dimensions, per, ...counting, ...conduct }).transform(
    (written: WrittenLimit, context): LimitRule => {
      // What is already wrong with its keys is said; what follows from that is noise.
      if (context.issues.length > 0) return z.NEVER;
      const planned = ruleOf(written);
      if ('rule' in planned) return planned.rule;
      context.addIssue({ code: 'custom', message: planned.problem, path: planned.key === null ? [] : [planned.key] });
      return z.NEVER;
    },
  );
  return list(limit, 'limits').default([]);
}
