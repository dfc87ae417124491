/** Which limits apply to the calls of a key to a model, how they stand, and which one stops such calls first. */
import type { Caller, Model, Target } from '../call.ts';
import { nearestName } from '../config/problem.ts';
import type { Snapshot } from '../config/snapshot.ts';
import { REFUSALS, type RefusalCode } from '../errors.ts';
import type { LimitDecision } from '../observe/metrics.ts';
import { type Demand, exactly } from '../policy/demand.ts';
import type { EndUsers } from '../policy/end-users.ts';
import type { BoundLimit } from '../policy/limit.ts';
import { dollars, worstCost } from '../policy/money.ts';
import { byPriority } from '../policy/selection.ts';
import type { LimitState, LimitStore } from '../stores/limit-store.ts';
import type { CallExplanation, Consequence, ExplainedLimit, NotExplained } from './document.ts';
import { factsOf, stateFacts } from './facts.ts';
import { consequenceOfOne, NEXT_TARGET, type Outlook, outlookOf, retryOf } from './outlook.ts';
import { verdictOf } from './verdict.ts';

/** Whose calls to what, and how large they are. */
export interface CallQuestion {
  /** The public id of the key. */
  readonly key: string;
  readonly model: string;
  readonly endUser: string | null;
  readonly inputTokens: number;
  /** Null: what the model is expected to answer. */
  readonly outputTokens: number | null;
}

export interface CallSources {
  readonly config: Snapshot;
  readonly limits: Pick<LimitStore, 'read'>;
  readonly endUsers: Pick<EndUsers, 'wouldBe'>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** How often a limit decided so, since this process started. */
  readonly decided: (limit: string, decision: LimitDecision) => number;
}

/** A call that may be made. */
interface Allowed {
  readonly caller: Caller;
  readonly model: Model;
  readonly plan: readonly Target[];
}

export async function explainCall(
  question: CallQuestion,
  sources: CallSources,
): Promise<CallExplanation | NotExplained> {
  const { config, limits, endUsers, now } = sources;
  const found = find(question, config);
  if ('problem' in found) return found;
  const { caller, model } = found;
  const endUser = question.endUser === null ? null : endUsers.wouldBe(caller.organization, question.endUser, now);
  const { inputTokens } = question;
  const outputTokens = question.outputTokens ?? model.expectedOutputTokens;
  const demand = demandOf(inputTokens, outputTokens, found.plan);
  const bound = caller.limits.of(model.name, endUser);
  const outlooks = await look(bound, demand, limits);
  const targets = await Promise.all(
    model.targets.map(async (target) => {
      const ofTarget = await look(target.limits, demandOf(inputTokens, outputTokens, [target]), limits);
      return { target, outlooks: ofTarget };
    }),
  );
  const planned = targets.filter(({ target }) => found.plan.includes(target));
  const priced = found.plan.some(({ prices }) => prices !== null);
  const refused = refusedAnyway(found, now);
  return {
    at: new Date(now).toISOString(),
    configVersion: config.version,
    key: keyFacts(caller),
    model: { name: model.name, targets: model.targets.map(({ id }) => id), degradeTo: model.degradeTo },
    endUser,
    request: { inputTokens, outputTokens, costUsd: priced ? dollars(demand.wanted.cost) : null },
    limits: outlooks.map((outlook) => explained(outlook, consequenceOfOne(outlook, model), sources)),
    targets: targets.map(({ target, outlooks }) => ({
      id: target.id,
      limits: outlooks.map((outlook) => explained(outlook, NEXT_TARGET, sources)),
    })),
    refused,
    verdict: verdictOf(
      model,
      refused,
      outlooks,
      planned.map(({ outlooks }) => outlooks),
    ),
    upgrades: upgradesOf(caller, config),
  };
}

function find({ key, model: name }: CallQuestion, config: Snapshot): Allowed | NotExplained {
  const callers = [...config.callersByHash.values()];
  const caller = callers.find(({ keyId }) => keyId === key);
  if (caller === undefined) {
    return notFound(
      'unknown_key',
      'key',
      key,
      callers.map(({ keyId }) => keyId),
    );
  }
  const model = config.models.get(name);
  if (model === undefined) return notFound('unknown_model', 'model', name, [...config.models.keys()]);
  if (!caller.models.has(name)) {
    const may = caller.models.size === 0 ? 'no model' : [...caller.models].join(', ');
    const detail = `key ${key} may not call ${name}: it may call ${may} (the models of its tier ${caller.tier.id}, its organization and itself)`;
    return { problem: 'model_not_allowed', detail, didYouMean: null };
  }
  const mustBePriced = caller.limits.countsCost(name) && model.unpriced === 'reject';
  return { caller, model, plan: byPriority(model.targets, mustBePriced) };
}

function notFound(
  problem: NotExplained['problem'],
  what: string,
  given: string,
  known: readonly string[],
): NotExplained {
  const nearest = nearestName(given, known);
  const meant = nearest === null ? '' : `; did you mean ${nearest}?`;
  const detail = `the configuration has no ${what} ${JSON.stringify(given)}${meant}`;
  return { problem, detail, didYouMean: nearest };
}

/** All of it certain: what is asked is what a request of exactly this size meets. */
function demandOf(inputTokens: number, outputTokens: number, plan: readonly Pick<Target, 'prices'>[]): Demand {
  const costs = plan.map(({ prices }) => (prices === null ? 0 : worstCost(inputTokens, outputTokens, prices)));
  return exactly({ requests: 1, inputTokens, outputTokens, cost: Math.max(0, ...costs), parts: null });
}

async function look(bound: readonly BoundLimit[], demand: Demand, store: CallSources['limits']): Promise<Outlook[]> {
  const states: readonly LimitState[] = bound.length === 0 ? [] : await store.read(bound, demand);
  return states.map((state) => outlookOf(state, demand));
}

function explained(outlook: Outlook, consequence: Consequence, { now, decided }: CallSources): ExplainedLimit {
  const { state, needed, passing } = outlook;
  const facts = factsOf(state.bound);
  const count = (decision: LimitDecision) => decided(facts.id, decision);
  return {
    ...facts,
    state: stateFacts(state, now),
    outlook: { needed, passing: Number.isFinite(passing) ? passing : null, ...retryOf(state) },
    consequence,
    decisions: {
      refused: count('refused'),
      queued: count('queued'),
      degraded: count('degraded'),
      cut: count('cut'),
      wouldRefuse: count('would_refuse'),
    },
  };
}

function keyFacts(caller: Caller): CallExplanation['key'] {
  const { keyId, organization, team, user, tier, revoked, expiresAt } = caller;
  return {
    id: keyId,
    organization,
    team,
    user,
    tier: tier.id,
    tierName: tier.name,
    revoked,
    expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
  };
}

/** What stands in the way of every call, before any limit is asked. */
function refusedAnyway({ caller, model, plan }: Allowed, now: number): CallExplanation['refused'] {
  if (caller.revoked) return refusal('invalid_api_key', 'the key is revoked');
  if (caller.expiresAt !== null && caller.expiresAt <= now) return refusal('invalid_api_key', 'the key has expired');
  if (plan.length > 0) return null;
  return refusal(
    'model_price_unknown',
    `a limit on cost applies and no target of ${model.name} has a known price; write a price, or unpriced: allow`,
  );
}

function refusal(code: RefusalCode, why: string): NonNullable<CallExplanation['refused']> {
  const { status } = REFUSALS[code];
  return { status, code, words: `every such call is refused with ${status} ${code}: ${why}` };
}

/** From tier to tier, each once. */
function upgradesOf({ tier }: Caller, config: Snapshot): CallExplanation['upgrades'] {
  const path: { tier: string; name: string; url: string | null }[] = [];
  const seen = new Set([tier.id]);
  for (let { upgrade } = tier; upgrade !== null && !seen.has(upgrade.to); ) {
    seen.add(upgrade.to);
    path.push({ tier: upgrade.to, name: upgrade.toName, url: upgrade.url });
    upgrade = config.tiers.get(upgrade.to)?.upgrade ?? null;
  }
  return path;
}
