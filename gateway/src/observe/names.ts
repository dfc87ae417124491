/** Every metric, once: name, type, help and labels. Labels are bounded sets; nothing per key or per caller is one (R59). */

interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
}

const metric = (name: string, type: Metric['type'], help: string): Metric => ({ name: `headgate_${name}`, type, help });

// biome-ignore format: a table
export const METRICS = {
  requests: metric('requests_total', 'counter', 'Calls, by how they ended; recorded after the last byte.'),
  refusals: metric('refusals_total', 'counter', 'Refusals, by code.'),
  limitDecisions: metric('limit_decisions_total', 'counter', 'Calls that a limit refused, queued, degraded or cut, or that one which only reports would have refused.'),
  attempts: metric('attempts_total', 'counter', 'Upstream attempts, by how they ended.'),
  tokens: metric('tokens_total', 'counter', 'Tokens used, by kind; estimated="true" where the provider reported none.'),
  cost: metric('cost_usd_total', 'counter', 'Cost in US dollars of attempts with a known price.'),
  unpriced: metric('unpriced_attempts_total', 'counter', 'Attempts that used tokens whose price is unknown.'),
  duration: metric('request_duration_seconds', 'histogram', 'From the first byte of a call to the last byte of its answer.'),
  firstToken: metric('first_token_seconds', 'histogram', 'From the first byte of a call to the first content handed to the caller.'),
  inflight: metric('inflight_requests', 'gauge', 'Calls that are running now.'),
  reservations: metric('reservations', 'gauge', 'Reservations that the limits hold now.'),
  limitsDegraded: metric('limits_degraded', 'gauge', '1 while the limit store does not answer and limits do what their onStoreError says.'),
  limitsPending: metric('limits_pending', 'gauge', 'Settlements and charges that the limit store has yet to be told.'),
  limitsDropped: metric('limits_dropped_total', 'counter', 'Settlements and charges given up because too many were pending.'),
  limitsDenied: metric('limits_denied_locally_total', 'counter', 'Calls refused from memory, because the limit store refused the like of them until then.'),
  limitsRoundTrips: metric('limits_round_trips_total', 'counter', 'Commands sent to the limit store.'),
  limitsProcesses: metric('limits_processes', 'gauge', 'Gateways that share the limit store, as last known.'),
  bodyBytes: metric('inflight_body_bytes', 'gauge', 'Bytes of request bodies held now.'),
  ledgerPending: metric('ledger_pending', 'gauge', 'Calls whose rows are in the journal and not yet in the ledger.'),
  ledgerDropped: metric('ledger_dropped_total', 'counter', 'Calls whose rows were given up because the journal was full.'),
  logDropped: metric('log_dropped_lines_total', 'counter', 'Log lines given up because their reader is too slow.'),
  configReloads: metric('config_reloads_total', 'counter', 'Configurations applied since the start.'),
  configFailures: metric('config_reload_failures_total', 'counter', 'Configurations that were refused; the one before keeps serving.'),
  configInfo: metric('config_info', 'gauge', 'The configuration in force; always 1.'),
} as const satisfies Record<string, Metric>;

export type MetricKey = keyof typeof METRICS;
