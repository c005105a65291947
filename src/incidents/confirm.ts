import { audit } from '../alerts/alert-store.ts';
import { changedJobs } from '../alerts/changed.ts';
import type { Db, Tx } from '../db/pool.ts';
import { fromStorable, fromStorableJson } from '../db/text.ts';
import { enqueue } from '../jobs/enqueue.ts';
import { afterCommand, readConfirmedState, writeConfirmedState } from './confirmed-state.ts';
import { wakeEvents } from './inbound-events.ts';
import { unsettledStates } from './incident-commands.ts';
import { membersOf } from './incident-queries.ts';
import { type CommandPayload, syncJob } from './incident-store.ts';
import type { IncidentProvider } from './provider.ts';

/** A command of the outbox, as far as its end is concerned. */
export type Confirmable = { id: string; incidentId: string; payload: CommandPayload; by: string };

type Place = Pick<IncidentProvider, 'name' | 'externalKind'>;

/**
 * Writes down that the provider did what a command wished for. False when somebody
 * else ended the command meanwhile: then nothing is written.
 */
export async function confirmCommand(
  db: Db,
  provider: Place,
  command: Confirmable,
  outcome: { externalId: string; externalUrl: string | null; processedAt?: Date | null },
  now: Date,
): Promise<boolean> {
  const { payload, incidentId } = command;
  return db.transaction().execute(async (tx) => {
    // Locked first, as whoever compares both sides does: neither must see half of this.
    const incident = await tx
      .selectFrom('incidents')
      .select('confirmed_state')
      .where('id', '=', incidentId)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const ended = await tx
      .updateTable('incident_commands')
      .set({ state: 'confirmed', last_error: null, updated_at: now })
      .where('id', '=', command.id)
      .where('state', 'in', unsettledStates)
      .returning('id')
      .executeTakeFirst();
    if (ended === undefined) return false;
    const said = { by: command.by, vendorAt: outcome.processedAt ?? null, at: now };
    const confirmed = afterCommand(readConfirmedState(incident.confirmed_state), payload, said);
    const opened = payload.kind === 'open';
    await tx
      .updateTable('incidents')
      .set({
        confirmed_state: writeConfirmedState(confirmed),
        ...(opened
          ? {
              external_kind: provider.externalKind,
              external_id: outcome.externalId,
              external_url: outcome.externalUrl,
              updated_at: now,
            }
          : {}),
      })
      .where('id', '=', incidentId)
      .execute();
    if (payload.kind === 'close' && payload.twin !== undefined)
      await auditSync(tx, provider.name, incidentId, { closedTwin: payload.twin }, now);
    if (!opened) return true;
    const { externalId, externalUrl } = outcome;
    await auditSync(tx, provider.name, incidentId, { opened: externalId, url: externalUrl }, now);
    const members = await membersOf(tx, [incidentId]);
    await enqueue(tx, changedJobs(members.filter((member) => member.archivedAt === null)));
    // Whatever waited for the id need not wait any longer.
    await wakeEvents(tx, provider.name, { incidentId, externalId });
    return true;
  });
}

/** The opening that waits for its outcome is confirmed by what was found at the provider, and what waits behind it is said. */
export async function confirmOpening(
  db: Db,
  provider: Place,
  incidentId: string,
  found: { externalId: string; externalUrl: string | null },
  now: Date,
): Promise<boolean> {
  const row = await db
    .selectFrom('incident_commands as c')
    .innerJoin('incidents as i', 'i.id', 'c.incident_id')
    .select(['c.id', 'c.payload', 'c.requested_by', 'i.severity'])
    .where('c.incident_id', '=', incidentId)
    .where('c.kind', '=', 'open')
    .where('c.state', 'in', unsettledStates)
    .orderBy('c.created_at')
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return false;
  const payload = fromStorableJson(row.payload) as CommandPayload;
  const command = { id: row.id, incidentId, payload, by: fromStorable(row.requested_by) };
  const confirmed = await confirmCommand(db, provider, command, found, now);
  if (confirmed) await enqueue(db, [syncJob({ id: incidentId, severity: row.severity })]);
  return confirmed;
}

/** What the provider did with a command belongs to the history of the incident. */
export async function auditSync(
  tx: Tx,
  provider: string,
  incidentId: string,
  details: Record<string, unknown>,
  at: Date,
): Promise<void> {
  await audit(tx, [
    {
      alertId: null,
      incidentId,
      action: 'sync',
      userId: 'system',
      door: 'system',
      details: { provider, ...details },
      at,
    },
  ]);
}
