import { setTimeout as wait } from 'node:timers/promises';
import { sql } from 'kysely';
import { changedJobs } from '../alerts/changed.ts';
import type { Db, Tx } from '../db/pool.ts';
import { fromStorableJson } from '../db/text.ts';
import { enqueue } from '../jobs/enqueue.ts';
import { isUuid } from '../lib/ids.ts';
import type { Clock } from '../lib/clock.ts';
import { applyProviderState } from './apply-provider-state.ts';
import { auditSync } from './confirm.ts';
import { opened, writeConfirmedState } from './confirmed-state.ts';
import { handleGone, youngMs } from './gone.ts';
import { membersOf } from './incident-queries.ts';
import { type CommandPayload, enqueueCommands, lockIncidents } from './incident-store.ts';
import { pauseMs, pauseProvider, providerPausedUntil } from './provider-pause.ts';
import type { IncidentProvider, OpenThere, ProviderFailure } from './provider.ts';
import { takeOverNotes, toldBy } from './provider-notes.ts';
import { wakeSync } from './resume.ts';

/**
 * Webhooks get lost, come out of order or are switched off. So every open incident
 * is read at the provider now and then, with those that were resolved here and whose
 * end the provider did not confirm, and what differs is repaired by `merge.ts`.
 *
 * Safe in several processes at once: each claims what it compares by the time of
 * the last comparison, in the database.
 */
export type ReconcileDependencies = {
  db: Db;
  provider: IncidentProvider;
  clock: Clock;
  /** Between two comparisons of one incident. */
  everyMs: number;
  observe: (outcome: 'repaired' | 'gone' | 'failed', detail: string) => void;
  /** Waits between two reads; a timer when absent. */
  pause?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** Claimed at once; what a process that dies had claimed is compared one period later. */
const pageSize = 20;
/** In one run: the rest follows in the next, so that a run always ends soon. */
const pagesPerRun = 10;
/** At most so many reads a second: the vendor's limits are unknown, and people's own calls come first. */
const betweenReadsMs = 100;
/** An end that the provider did not confirm is looked after for so long. */
const endedWithinMs = 86_400_000;
/** A command that should have been said so long ago has lost its job. */
const forgottenMs = 120_000;

export async function reconcileIncidents(deps: ReconcileDependencies, signal: AbortSignal): Promise<void> {
  const { db, clock } = deps;
  await wakeSync(db, new Date(clock.now().getTime() - forgottenMs));
  let compared = 0;
  for (let page = 0; page < pagesPerRun; page += 1) {
    if (signal.aborted || (await isPaused(deps))) return;
    const claimed = await claimPage(deps);
    if (claimed.length === 0) break;
    for (const [position, incident] of claimed.entries()) {
      if (compared > 0) await (deps.pause ?? pauseByTimer)(betweenReadsMs, signal);
      const failure = signal.aborted ? 'stopped' : await compareOne(deps, incident, signal);
      compared += 1;
      if (failure === null) continue;
      await giveBack(deps, claimed.slice(position));
      if (failure !== 'stopped') deps.observe('failed', `${failure.reason} ${failure.code}`);
      return;
    }
  }
  if (await listingIsDue(deps)) await compareListed(deps, signal);
}

async function pauseByTimer(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => undefined);
}

async function isPaused({ db, provider, clock }: ReconcileDependencies): Promise<boolean> {
  return (await providerPausedUntil(db, provider.connectionId, clock.now())) !== null;
}

type Claimed = { id: string; externalId: string; createdAt: Date };

/** The longest not compared first. */
async function claimPage({ db, provider, clock, everyMs }: ReconcileDependencies): Promise<Claimed[]> {
  const now = clock.now();
  const rows = await sql<{ id: string; external_id: string; created_at: Date }>`
    UPDATE incidents SET compared_at = ${now}
    WHERE id IN (
      SELECT id FROM incidents
      WHERE connection_id = ${provider.connectionId} AND external_kind = ${provider.externalKind}
        AND external_id IS NOT NULL AND gone_external_id IS DISTINCT FROM external_id
        AND coalesce(compared_at, created_at) <= ${new Date(now.getTime() - everyMs)}
        AND (status IN ('open', 'assigned')
          OR (resolved_at > ${new Date(now.getTime() - endedWithinMs)} AND confirmed_state->>'closed' IS DISTINCT FROM 'true'))
      ORDER BY coalesce(compared_at, created_at), id LIMIT ${pageSize}
      FOR UPDATE SKIP LOCKED
    )
    RETURNING id, external_id, created_at`.execute(db);
  return rows.rows.map((row) => ({ id: row.id, externalId: row.external_id, createdAt: row.created_at }));
}

/** Those were not compared after all: they are the first of the next run. */
async function giveBack({ db, clock, everyMs }: ReconcileDependencies, claimed: Claimed[]): Promise<void> {
  const due = new Date(clock.now().getTime() - everyMs);
  await sql`
    UPDATE incidents SET compared_at = ${due}
    WHERE id = ANY(${claimed.map((incident) => incident.id)}::uuid[])`.execute(db);
}

/** Answers why it could not be read, or null. */
async function compareOne(
  deps: ReconcileDependencies,
  incident: Claimed,
  signal: AbortSignal,
): Promise<ProviderFailure | null> {
  const { db, provider, clock } = deps;
  const readAt = clock.now();
  const state = await provider.read({ incidentId: incident.id, externalId: incident.externalId }, signal);
  const now = clock.now();
  if (!state.ok) {
    if (state.reason === 'rate-limited') {
      await pauseProvider(db, provider.connectionId, new Date(now.getTime() + pauseMs(state)), now);
    }
    return state;
  }
  if (!state.found) {
    if (now.getTime() - incident.createdAt.getTime() < youngMs) return null;
    const outcome = await handleGone(db, incident.id, provider.name, now);
    if (outcome !== 'known') deps.observe('gone', outcome);
    return null;
  }
  const read = { provider: provider.name, incidentId: incident.id, state, readAt, events: [], repair: true };
  const { here, there } = await applyProviderState(db, read, now);
  if (here.length + there.length > 0) deps.observe('repaired', [...here, ...there].join(', '));
  return compareNotes(deps, incident, signal);
}

/** Notes whose event was lost, or of which no event tells, are found in the list only. */
async function compareNotes(
  { db, provider, clock, observe }: ReconcileDependencies,
  { id: incidentId, externalId }: Claimed,
  signal: AbortSignal,
): Promise<ProviderFailure | null> {
  const listed = await provider.listNotes?.({ incidentId, externalId }, signal);
  if (listed === undefined) return null;
  const now = clock.now();
  if (listed.ok) {
    const taken = await takeOverNotes(db, incidentId, toldBy(listed.items), 'system', provider.name, now);
    if (taken > 0) observe('repaired', `${taken} notes`);
    return null;
  }
  // The states of the others are worth more than these notes, unless nothing is to be asked now.
  if (listed.reason !== 'rate-limited') return null;
  await pauseProvider(db, provider.connectionId, new Date(now.getTime() + pauseMs(listed)), now);
  return listed;
}

/** Once in a period for all processes, and not at all while nothing of ours can be open there. */
async function listingIsDue({ db, provider, clock, everyMs }: ReconcileDependencies): Promise<boolean> {
  if (provider.listOpen === undefined) return false;
  const now = clock.now();
  const before = (ms: number): Date => new Date(now.getTime() - ms);
  const due = await sql`
    INSERT INTO send_budgets (lane, tokens, refilled_at)
    SELECT ${`listed:${provider.connectionId}`}, 0, ${now}::timestamptz
    WHERE EXISTS (
      SELECT FROM incidents WHERE connection_id = ${provider.connectionId} AND external_kind = ${provider.externalKind}
        AND (status IN ('open', 'assigned') OR resolved_at > ${before(endedWithinMs)})
    )
    ON CONFLICT (lane) DO UPDATE SET refilled_at = excluded.refilled_at
    WHERE send_budgets.refilled_at <= ${before(everyMs)}
    RETURNING lane`.execute(db);
  return due.rows.length > 0;
}

/** What is open there and carries our mark shows what no incident of ours would be read for. */
async function compareListed(deps: ReconcileDependencies, signal: AbortSignal): Promise<void> {
  const listed = await deps.provider.listOpen?.(signal);
  if (listed === undefined) return;
  if (!listed.ok) return deps.observe('failed', `${listed.reason} ${listed.code}`);
  const byIncident = Map.groupBy(listed.items, (item) => item.incidentId);
  for (const items of byIncident.values()) {
    const [kept] = items;
    const twins = [...new Set(items.map((item) => item.externalId))].filter((id) => id !== kept?.externalId);
    if (kept !== undefined && twins.length > 0) await keepOne(deps, kept, twins, signal);
  }
  for (const incident of await overHere(deps, listed.items)) {
    await (deps.pause ?? pauseByTimer)(betweenReadsMs, signal);
    if (signal.aborted || (await compareOne(deps, incident, signal)) !== null) return;
  }
}

/** Over here and open there: a person opened it again. No more than a page in one run. */
async function overHere({ db, provider }: ReconcileDependencies, items: OpenThere[]): Promise<Claimed[]> {
  const rows = await sql<{ id: string; external_id: string; created_at: Date }>`
    SELECT id, external_id, created_at FROM incidents
    WHERE id = ANY(${items.map((item) => item.incidentId).filter(isUuid)}::uuid[])
      AND external_id = ANY(${items.map((item) => item.externalId)}::text[])
      AND connection_id = ${provider.connectionId} AND external_kind = ${provider.externalKind}
      AND status NOT IN ('open', 'assigned')
    ORDER BY resolved_at DESC, id LIMIT ${pageSize}`.execute(db);
  return rows.rows.map((row) => ({ id: row.id, externalId: row.external_id, createdAt: row.created_at }));
}

/** Opened twice with one mark, after an outcome that nobody knew: the older one is kept, the others are closed. */
async function keepOne(
  deps: ReconcileDependencies,
  { incidentId, externalId: kept, externalUrl }: OpenThere,
  twins: string[],
  signal: AbortSignal,
): Promise<void> {
  const { db, provider, clock, observe } = deps;
  const now = clock.now();
  const done = await db.transaction().execute(async (tx) => {
    const [incident] = await lockIncidents(tx, [incidentId]);
    if (incident === undefined || incident.connectionId !== provider.connectionId) return null;
    // While it is still being opened nobody knows yet which of them is meant.
    if (incident.externalId === null) return null;
    const said = await sql<{ twin: string }>`
      SELECT payload->>'twin' AS twin FROM incident_commands WHERE incident_id = ${incidentId} AND kind = 'close' AND payload ? 'twin'`.execute(
      tx,
    );
    const known = new Set(said.rows.map((row) => row.twin));
    const surplus = twins.filter((twin) => !known.has(twin));
    if (surplus.length === 0) return null;
    const moves = incident.externalId !== kept;
    if (moves) await moveTo(tx, incidentId, { kept, externalUrl }, now);
    const repaired = { kept, closed: surplus };
    const reason = 'it was opened more than once; the oldest is kept';
    await auditSync(tx, provider.name, incidentId, { repaired, reason }, now);
    const note = `Opened twice for the same incident; ${kept} is the one that goes on.`;
    await enqueueCommands(
      tx,
      surplus.map((twin) => ({ incident, command: { kind: 'close', note, twin }, by: 'system' })),
      now,
    );
    return { incident, surplus, moves };
  });
  if (done === null) return;
  observe('repaired', `${done.surplus.length} closed that were opened twice`);
  // What was said to the other is said to this one.
  if (done.moves)
    await compareOne(deps, { id: incidentId, externalId: kept, createdAt: done.incident.createdAt }, signal);
}

/**
 * From now on another thing stands for the incident there. To that nothing was said
 * since it was opened: what we know of the former would make our own words look as
 * if somebody there had taken them back.
 */
async function moveTo(
  tx: Tx,
  incidentId: string,
  to: { kept: string; externalUrl: string | null },
  now: Date,
): Promise<void> {
  const opening = await tx
    .selectFrom('incident_commands')
    .select('payload')
    .where('incident_id', '=', incidentId)
    .where('kind', '=', 'open')
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  const payload = opening === undefined ? null : (fromStorableJson(opening.payload) as CommandPayload);
  const severity = payload?.kind === 'open' ? payload.incident.severity : null;
  await tx
    .updateTable('incidents')
    .set({
      external_id: to.kept,
      external_url: to.externalUrl,
      confirmed_state: writeConfirmedState(opened(severity)),
      updated_at: now,
    })
    .where('id', '=', incidentId)
    .execute();
  // What is on its way to the former is said again.
  await sql`
    UPDATE incident_commands SET state = 'pending', request_id = NULL, updated_at = ${now}
    WHERE incident_id = ${incidentId} AND state IN ('accepted', 'unknown') AND kind <> 'open' AND NOT payload ? 'twin'`.execute(
    tx,
  );
  const members = await membersOf(tx, [incidentId]);
  await enqueue(tx, changedJobs(members.filter((member) => member.archivedAt === null)));
}
