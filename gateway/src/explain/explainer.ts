/** Explains: which limits apply to a call and how they stand, and what became of one request and why. Changes nothing. */
import type { Clock } from '../clock.ts';
import type { Snapshot } from '../config/snapshot.ts';
import type { LimitDecision } from '../observe/metrics.ts';
import type { EndUsers } from '../policy/end-users.ts';
import type { Ledger } from '../stores/ledger-store.ts';
import type { LimitStore } from '../stores/limit-store.ts';
import type { CallExplanation, NotExplained, RequestExplanation } from './document.ts';
import { type CallQuestion, explainCall } from './explain-call.ts';
import { fromLedger, fromMemory } from './explain-request.ts';
import { NOTABLE_MAX, type Notables } from './notable.ts';

export interface ExplainerSources {
  readonly config: { readonly current: Snapshot };
  readonly clock: Clock;
  readonly limits: Pick<LimitStore, 'read'>;
  readonly endUsers: Pick<EndUsers, 'wouldBe'>;
  readonly notables: Notables;
  readonly ledger: Pick<Ledger, 'find'>;
  /** Whether a request with this id is running now. */
  readonly isRunning: (id: string) => boolean;
  /** How often a limit decided so, since this process started. */
  readonly decided: (limit: string, decision: LimitDecision) => number;
}

export class Explainer {
  readonly #sources: ExplainerSources;

  constructor(sources: ExplainerSources) {
    this.#sources = sources;
  }

  call(question: CallQuestion): Promise<CallExplanation | NotExplained> {
    const { config, clock, limits, endUsers, decided } = this.#sources;
    return explainCall(question, { config: config.current, now: clock.now(), limits, endUsers, decided });
  }

  async request(id: string): Promise<RequestExplanation | NotExplained> {
    const { config, notables, ledger, isRunning } = this.#sources;
    const notable = notables.find(id);
    if (notable !== null) return fromMemory(notable, config.current);
    if (isRunning(id)) {
      const detail = `request ${id} is still running: ask again when its answer has ended`;
      return { problem: 'request_running', detail, didYouMean: null };
    }
    const record = await ledger.find(id);
    return record === null ? unknownRequest(id) : fromLedger(record, config.current);
  }
}

function unknownRequest(id: string): NotExplained {
  const detail =
    `no request ${JSON.stringify(id)} is on the ledger of this gateway, nor among the latest ${NOTABLE_MAX.toLocaleString('en-US')} ` +
    'that its limits had something to say about. It may be mistyped (an id is in x-request-id of the answer), served by another ' +
    'gateway with a ledger of its own, or without a valid key: then only the log has it';
  return { problem: 'unknown_request', detail, didYouMean: null };
}
