/** Adds the use of a batch to `meters` and `usage_by_minute`, within the transaction of its caller. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Meter, Use } from './use.ts';

/** The columns of a {@link Meter}, in its order. */
const METER = 'tier, model, target, team, user_id, organization, key_id, end_user';
const COUNTED = [
  'requests',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'audio_input_tokens',
  'audio_output_tokens',
  'cost_nano',
];

export class UseRows {
  #find: StatementSync;
  #insert: StatementSync;
  #add: StatementSync;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare(`SELECT id FROM meters WHERE (${METER}) = (?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#insert = database.prepare(`INSERT INTO meters (${METER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#add = database.prepare(`
      INSERT INTO usage_by_minute (meter, minute, ${COUNTED.join(', ')}) VALUES (?, ?, ${COUNTED.map(() => '?').join(', ')})
      ON CONFLICT (meter, minute) DO UPDATE SET ${COUNTED.map((column) => `${column} = ${column} + excluded.${column}`).join(', ')}`);
  }

  add({ meter, minute, requests, usage, cost }: Use): void {
    this.#add.run(
      this.#idOf(meter),
      minute,
      requests,
      usage.inputTokens,
      usage.cacheReadTokens,
      usage.cacheWriteTokens,
      usage.outputTokens,
      usage.reasoningTokens,
      usage.audioInputTokens,
      usage.audioOutputTokens,
      cost,
    );
  }

  #idOf(meter: Meter): number {
    return Number(this.#find.get(...meter)?.['id'] ?? this.#insert.run(...meter).lastInsertRowid);
  }
}
