/** What the calls of a batch used, summed by subject and minute: what `usage_by_minute` is made of. */
import type { RequestRecord } from '../../call.ts';
import type { Level } from '../../policy/limit.ts';
import { inputOf, outputOf } from '../../policy/usage.ts';

export const MINUTE_MS = 60_000;

export interface Use {
  readonly level: Level;
  readonly subject: string;
  /** Minutes since the epoch. */
  readonly minute: number;
  requests: number;
  inputTokens: number;
  outputTokens: number;
  /** Nano-dollars. A call whose cost is unknown adds nothing. */
  cost: number;
}

export class UseByMinute {
  #uses = new Map<number, Record<Level, Map<string, Use>>>();

  /** Adds one call. A call that was not admitted used nothing. */
  add(record: RequestRecord): void {
    if (!record.admitted) return;
    const minute = Math.floor(record.at / MINUTE_MS);
    let subjects = this.#uses.get(minute);
    if (subjects === undefined) {
      subjects = { key: new Map(), organization: new Map() };
      this.#uses.set(minute, subjects);
    }
    if (record.keyId !== null) add(subjects.key, 'key', record.keyId, minute, record);
    if (record.organization !== null) add(subjects.organization, 'organization', record.organization, minute, record);
  }

  *values(): Iterable<Use> {
    for (const { key, organization } of this.#uses.values()) {
      yield* key.values();
      yield* organization.values();
    }
  }
}

function add(uses: Map<string, Use>, level: Level, subject: string, minute: number, record: RequestRecord): void {
  let use = uses.get(subject);
  if (use === undefined) {
    use = { level, subject, minute, requests: 0, inputTokens: 0, outputTokens: 0, cost: 0 };
    uses.set(subject, use);
  }
  use.requests += 1;
  use.inputTokens += inputOf(record.usage);
  use.outputTokens += outputOf(record.usage);
  use.cost += record.cost ?? 0;
}
