/** What became of one request and why: from memory when a limit had something to say about it lately, else from the ledger. */
import { waitText } from '../admit/refusal.ts';
import type { AttemptRecord, RequestRecord } from '../call.ts';
import type { Snapshot } from '../config/snapshot.ts';
import { dollars, shortDollars } from '../policy/money.ts';
import { inputOf, outputOf } from '../policy/usage.ts';
import { quantityInWords, rateInWords } from '../policy/words.ts';
import type { ExplainedAttempt, RequestExplanation } from './document.ts';
import { decidedOf } from './facts.ts';
import type { Notable } from './notable.ts';

/** `config` is that of today: a limit may have another amount than when it decided. */
export function fromMemory({ record, refusal, states, heldBy }: Notable, config: Snapshot): RequestExplanation {
  const binding = refusal?.detail.binding ?? null;
  const requested = refusal?.detail.requested ?? null;
  const why: string[] = [];
  if (binding !== null) {
    const asked = requested === null ? '' : ` It asked for ${quantityInWords(binding.bound.limit, requested)}.`;
    why.push(`${decidedOf(binding).words}.${asked}`);
  }
  if (heldBy !== null) why.push(`What ${wasHeld(record)}: ${decidedOf(heldBy).words}.`);
  if (refusal !== null) why.push(`The caller was told: ${refusal.message}`);
  return {
    ...factsOf(record),
    foundIn: 'memory',
    words: [...outcomeInWords(record), ...why, ...reportedInWords(record, config), ...attemptsInWords(record)],
    message: refusal?.message ?? null,
    binding: binding === null ? null : { ...decidedOf(binding), requested },
    heldBy: heldBy === null ? null : decidedOf(heldBy),
    states: states.map(decidedOf),
  };
}

export function fromLedger(record: RequestRecord, config: Snapshot): RequestExplanation {
  const why = record.limit === null ? [] : [`${asConfigured(record.limit, config)}.`];
  return {
    ...factsOf(record),
    foundIn: 'ledger',
    words: [...outcomeInWords(record), ...why, ...reportedInWords(record, config), ...attemptsInWords(record)],
    message: null,
    binding: null,
    heldBy: null,
    states: [],
  };
}

/** The request, and the one thing that became of it. */
function outcomeInWords(record: RequestRecord): string[] {
  const { id, keyId, at, status, outcome, code, limit, admitted, queueMs, model, degradedFrom } = record;
  const who = keyId === null ? 'somebody without a valid key' : keyId;
  const what = model === null ? '' : ` to ${degradedFrom ?? model}`;
  const by = limit === null ? '' : ` by ${limit}`;
  const when = new Date(at).toISOString();
  const words = [`${id}, a request of ${who}${what} at ${when}: ${endInWords(status, outcome, code, by, admitted)}.`];
  if (queueMs > 0)
    words.push(`It was held back for ${Math.round(queueMs)} ms before it was ${admitted ? 'forwarded' : 'refused'}.`);
  if (degradedFrom !== null) {
    words.push(`It asked for ${degradedFrom}; a limit with onExceed: degrade was over, so it went to ${model}.`);
  }
  return words;
}

function endInWords(status: number, outcome: string, code: string | null, by: string, admitted: boolean): string {
  if (outcome === 'cut_by_limit') return `the stream was cut in the middle${by}, with ${code}`;
  if (code === null)
    return outcome === 'ok' ? `admitted and answered with ${status}` : `ended as ${outcome}, with ${status}`;
  if (!admitted) return `refused${by} with ${status} ${code}`;
  return `admitted, and ended${by} with ${status} ${code}`;
}

function wasHeld({ degradedFrom }: RequestRecord): string {
  return degradedFrom === null ? 'held it back' : 'sent it to another model';
}

function reportedInWords({ reported }: RequestRecord, config: Snapshot): string[] {
  return reported.map((id) => `It was over ${asConfigured(id, config)}; that limit only reports, and did not stop it.`);
}

/** What the configuration says of the limit now. */
function asConfigured(id: string, config: Snapshot): string {
  const limit = config.limits.find((each) => each.id === id);
  if (limit === undefined) return `${id}, which the configuration has no longer`;
  return `${id} (${limit.source}), which is ${rateInWords(limit)} now`;
}

function attemptsInWords({ attempts, admitted }: RequestRecord): string[] {
  if (attempts.length === 0) return admitted ? ['No target was asked.'] : [];
  return attempts.map((attempt) => {
    const { number, target, outcome, status, usage, cost, durationMs } = attempt;
    const answer = status === null ? outcome : `${outcome}, ${status}`;
    const price = cost === null ? 'at an unknown price' : `${shortDollars(cost)} USD`;
    const tokens = `${inputOf(usage)} input and ${outputOf(usage)} output tokens`;
    return `Attempt ${number} at ${target}: ${answer} after ${waitInWords(durationMs)}; ${tokens}, ${price}.`;
  });
}

function waitInWords(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : waitText(ms);
}

type Recorded = Omit<RequestExplanation, 'foundIn' | 'words' | 'message' | 'binding' | 'heldBy' | 'states'>;

function factsOf(record: RequestRecord): Recorded {
  return {
    id: record.id,
    at: new Date(record.at).toISOString(),
    key: record.keyId,
    model: record.model,
    degradedFrom: record.degradedFrom,
    endUser: record.endUser,
    admitted: record.admitted,
    status: record.status,
    outcome: record.outcome,
    code: record.code,
    queueMs: record.queueMs,
    reported: record.reported,
    attempts: record.attempts.map(attemptFacts),
    inputTokens: inputOf(record.usage),
    outputTokens: outputOf(record.usage),
    costUsd: record.cost === null ? null : dollars(record.cost),
    durationMs: record.durationMs,
    firstTokenMs: record.firstTokenMs,
  };
}

function attemptFacts({ number, target, outcome, status, usage, cost, durationMs }: AttemptRecord): ExplainedAttempt {
  return {
    number,
    target,
    outcome,
    status,
    inputTokens: inputOf(usage),
    outputTokens: outputOf(usage),
    costUsd: cost === null ? null : dollars(cost),
    durationMs,
  };
}
