import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import { fromStorable, fromStorableJson, toStorable } from '../db/text.ts';
import { priorities } from '../jobs/catalog.ts';
import { enqueue, type Job } from '../jobs/enqueue.ts';
import type { ProviderEvent } from './provider-door.ts';

/** What the provider told and nobody has worked off yet: `inbound_events` of kind `<provider>.webhook`. */
export type StoredEvent = ProviderEvent & { id: string; receivedAt: Date };

/** Of one thing in one run; what is left is worked off by the next. */
const eventsPerRun = 200;

function kindOf(provider: string): string {
  return `${provider}.webhook`;
}

/** One job waits per thing, however many events tell of it: it works off all that are there by then. */
export function providerEventsJob(provider: string, subject: string, delayMs?: number): Job {
  // The vendor chooses the subject; a key is short and plain.
  const digest = createHash('sha256').update(subject).digest('base64url').slice(0, 22);
  return {
    task: 'provider.events',
    payload: { subject },
    key: `${provider}.events:${digest}`,
    priority: priorities.urgent,
    ...(delayMs === undefined ? {} : { delayMs }),
  };
}

/** Beyond these the waiting jobs come by themselves. */
const wokenAtOnce = 1_000;

/** The provider is back: what it told since then, and could not be read, is looked at now. */
export async function resumeEvents(db: Db, provider: string, since: Date): Promise<void> {
  const rows = await db
    .selectFrom('inbound_events')
    .select('subject')
    .distinct()
    .where('kind', '=', kindOf(provider))
    .where('received_at', '>', since)
    .where('processed_at', 'is', null)
    .where('subject', 'is not', null)
    .limit(wokenAtOnce)
    .execute();
  await enqueue(
    db,
    rows.flatMap(({ subject }) =>
      subject === null ? [] : providerEventsJob(provider, fromStorable(subject)),
    ),
  );
}

/** Of one incident; more things than one carry its mark only after trouble. */
const toldAtMost = 5;

/** The things that events with the mark of our incident told of, newest first; without the one that is known to be gone. */
export async function toldSubjects(db: Db, provider: string, incidentId: string): Promise<string[]> {
  const rows = await sql<{ subject: string }>`
    SELECT subject FROM inbound_events
    WHERE kind = ${kindOf(provider)} AND payload->>'incidentId' = ${incidentId} AND subject IS NOT NULL
      AND subject IS DISTINCT FROM (SELECT gone_external_id FROM incidents WHERE id = ${incidentId})
    GROUP BY subject ORDER BY max(received_at) DESC LIMIT ${toldAtMost}`.execute(db);
  return rows.rows.map((row) => fromStorable(row.subject));
}

/** What waited until it was known under which id an incident was opened is looked at now. */
export async function wakeEvents(
  tx: Tx,
  provider: string,
  opened: { incidentId: string; externalId: string },
): Promise<void> {
  const rows = await sql<{ subject: string }>`
    SELECT subject FROM inbound_events
    WHERE kind = ${kindOf(provider)} AND subject = ${toStorable(opened.externalId)} AND processed_at IS NULL
    UNION SELECT subject FROM inbound_events
    WHERE kind = ${kindOf(provider)} AND payload->>'incidentId' = ${opened.incidentId}
      AND subject IS NOT NULL AND processed_at IS NULL
    LIMIT ${wokenAtOnce}`.execute(tx);
  await enqueue(
    tx,
    rows.rows.map((row) => providerEventsJob(provider, fromStorable(row.subject))),
  );
}

/** Oldest first. */
export async function waitingEvents(db: Db, provider: string, subject: string): Promise<StoredEvent[]> {
  const rows = await db
    .selectFrom('inbound_events')
    .select(['id', 'payload', 'received_at'])
    .where('kind', '=', kindOf(provider))
    .where('subject', '=', toStorable(subject))
    .where('processed_at', 'is', null)
    .orderBy('received_at')
    .orderBy('id')
    .limit(eventsPerRun)
    .execute();
  return rows.map((row) => ({
    ...(fromStorableJson(row.payload) as ProviderEvent),
    id: row.id,
    receivedAt: row.received_at,
  }));
}

/** Says of events what came of them. Answers which of them nobody had done before: those alone may have an effect. */
export async function finishEvents(
  db: Db | Tx,
  ids: string[],
  outcome: string,
  now: Date,
): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db
    .updateTable('inbound_events')
    .set({ processed_at: now, outcome: toStorable(outcome).slice(0, 500) })
    .where('id', '=', sql<string>`ANY(${ids}::uuid[])`)
    .where('processed_at', 'is', null)
    .returning('id')
    .execute();
  return new Set(rows.map((row) => row.id));
}

/**
 * What earlier events said about the same thing: its own mark or the incident it
 * pages for. A later one may name nothing but the id.
 */
export async function rememberedOwner(
  db: Db,
  provider: string,
  subject: string,
): Promise<{ incidentId: string | null; externalIncidentId: string | null; foreign: boolean } | null> {
  const rows = await sql<{ payload: Record<string, unknown> }>`
    SELECT payload FROM inbound_events
    WHERE kind = ${kindOf(provider)} AND subject = ${toStorable(subject)} AND processed_at IS NOT NULL
      AND (payload->>'incidentId' IS NOT NULL OR payload->>'externalIncidentId' IS NOT NULL OR payload->>'foreign' = 'true')
    ORDER BY received_at DESC LIMIT 1`.execute(db);
  const [row] = rows.rows;
  if (row === undefined) return null;
  const { incidentId, externalIncidentId, foreign } = fromStorableJson(row.payload) as ProviderEvent;
  return { incidentId, externalIncidentId, foreign };
}
