/**
 * One request, top to bottom. Each phase is one line here and one folder beside this file.
 * Policy decides (values), phases refuse (throw), and only this file catches.
 *
 * Invariants
 *  (1) Configuration is pinned once; a reload never changes a request in flight.
 *  (2) Whatever is taken (body bytes, reservation, slot, connection) is given back on every exit, after the last byte.
 *  (3) After the first content reached the caller there is no other attempt.
 *  (4) A call is settled exactly once: when its body ended, failed or was abandoned, never at the headers.
 */
import { admit } from './admit/admit.ts';
import type { WaitingLines } from './admit/waiting.ts';
import type { RequestRecord } from './call.ts';
import type { Clock } from './clock.ts';
import type { Snapshot } from './config/snapshot.ts';
import { match } from './endpoints.ts';
import { refusalOf } from './errors.ts';
import type { Decided } from './explain/notable.ts';
import { identify } from './identify/identify.ts';
import { Journey } from './journey.ts';
import type { Bodies } from './listen/body.ts';
import { Delivery } from './listen/delivery.ts';
import type { Exchange } from './listen/exchange.ts';
import { extended } from './meter/extended.ts';
import type { EndUsers } from './policy/end-users.ts';
import type { Learnt } from './policy/learnt.ts';
import { NOTHING } from './policy/limit.ts';
import { listModels } from './read/models.ts';
import { read } from './read/read.ts';
import { degraded } from './route/degrade.ts';
import { route } from './route/route.ts';
import { settle } from './settle/settle.ts';
import type { LimitStore } from './stores/limit-store.ts';
import { attempt } from './upstream/attempt.ts';
import type { Connections } from './upstream/connection.ts';

/** What every request walks through. One per process. */
export interface Gateway {
  readonly config: { readonly current: Snapshot };
  readonly clock: Clock;
  readonly limits: LimitStore;
  /** Calls that wait for a limit. */
  readonly lines: WaitingLines;
  /** What answers taught about the size of the next ones. */
  readonly learnt: Learnt;
  readonly endUsers: EndUsers;
  readonly connections: Connections;
  readonly bodies: Bodies;
  /** Told once of every call, when it is settled: ledger, log and metrics. */
  readonly record: (record: RequestRecord, decided: Decided) => void;
  /** Told of a defect, with the id of the request that met it. */
  readonly defect: (requestId: string, cause: unknown) => void;
}

export async function serve(exchange: Exchange, gateway: Gateway): Promise<void> {
  const { clock, limits, learnt, connections, bodies } = gateway;
  const config = gateway.config.current;
  const { request } = exchange;
  const journey = new Journey(exchange, config.region);
  const delivery = new Delivery(exchange, clock, config.listen);
  try {
    const endpoint = match(request.method, exchange.path);
    journey.endpoint = endpoint;
    if (exchange.interrupted !== null) throw exchange.interrupted;
    const dialect = endpoint.protocol;
    const caller = identify(request.headers, dialect, config.callersByHash, exchange.at);
    journey.caller = caller;
    if (endpoint.admits === 'nothing') {
      journey.status = 200;
      const headers = [...journey.headers(), 'content-type', 'application/json; charset=utf-8'];
      journey.refusal = await delivery.whole(200, headers, listModels(exchange.path, caller, config));
      return;
    }
    const body = await bodies.receive(exchange, config.listen, journey.body);
    const { models } = config;
    const asked = read(endpoint.operation, body, dialect, caller, models, exchange.at, gateway);
    journey.call = asked;
    const routed = route(asked, caller);
    const instead = asked.model.degradeTo === null ? null : () => degraded(asked, caller, models, learnt);
    const ticket = await admit(
      { id: exchange.id, call: asked, caller, plan: routed, presence: exchange, instead },
      gateway,
    );
    journey.admitted(ticket, gateway);
    const { call, plan } = ticket;
    if (call.streamed) delivery.keepAlive(() => journey.headers());
    const { attempts, holds } = journey;
    const { answer, from } = await attempt(
      { call, plan, headers: request.headers, presence: exchange, attempts, holds },
      { dialect, connections, clock },
    );
    journey.answered(answer.status, clock.monotonic());
    const headers = journey.answerHeaders(answer, from.target.id);
    journey.refusal =
      answer.kind === 'whole'
        ? await delivery.whole(answer.status, headers, answer.body)
        : await delivery.stream(
            answer.status,
            headers,
            extended(from, { ...ticket, held: exchange.held }, limits),
            (why) => journey.lastFrame(why, clock.now()),
          );
  } catch (thrown) {
    const refused = refusalOf(thrown);
    journey.refusal = refused;
    if (refused.code === 'internal') gateway.defect(exchange.id, refused.detail.cause);
    await journey.refuse(refused, delivery, clock.now());
  } finally {
    delivery.close();
    bodies.release(journey.body);
    const record = journey.record(clock.monotonic());
    const settled = journey.ticket === null ? null : settle(journey.ticket, record, gateway);
    // Written down at once: the ledger does not wait for a limit store that is slow.
    gateway.record(record, journey);
    if (settled !== null) await settled;
    if (journey.holds !== null) await journey.holds.settle(record.attempts);
    // What a stream reserved aside is in what was settled.
    for (const id of exchange.held) if (id !== journey.ticket?.id) await limits.settle(id, NOTHING);
  }
}
