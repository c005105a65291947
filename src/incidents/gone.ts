import type { Db } from '../db/pool.ts';
import { fromStorableJson } from '../db/text.ts';
import { auditSync } from './confirm.ts';
import { readConfirmedState, writeConfirmedState } from './confirmed-state.ts';
import { readOutbox, supersede } from './incident-commands.ts';
import { type CommandPayload, enqueueCommands, lockIncidents } from './incident-store.ts';
import { isOpenIncident } from './incident.ts';

/** Younger than this, what is not found there may only not be found yet. */
export const youngMs = 60_000;

/**
 * The provider no longer knows what we opened: somebody deleted it. That is said
 * once in the audit log. Nobody would be paged for it any more: so a P0 or P1 that
 * is still open is opened there once more, and only once: who deletes it again
 * means it.
 */
export async function handleGone(
  db: Db,
  incidentId: string,
  provider: string,
  now: Date,
): Promise<'known' | 'noted' | 'opened again'> {
  return db.transaction().execute(async (tx) => {
    const [incident] = await lockIncidents(tx, [incidentId]);
    if (incident === undefined || incident.externalId === null) return 'known';
    const row = await tx
      .selectFrom('incidents')
      .select(['gone_external_id', 'reopened_there_at', 'confirmed_state'])
      .where('id', '=', incidentId)
      .executeTakeFirstOrThrow();
    const outbox = await readOutbox(tx, incidentId);
    if (row.gone_external_id === incident.externalId || outbox.opening) return 'known';
    const open = isOpenIncident(incident.status);
    const urgent = incident.severity === 'P0' || incident.severity === 'P1';
    const opening = open && urgent && row.reopened_there_at === null ? await openingOf() : null;
    const confirmed = readConfirmedState(row.confirmed_state);
    await tx
      .updateTable('incidents')
      .set({
        gone_external_id: incident.externalId,
        ...(opening === null ? {} : { reopened_there_at: now }),
        // Nothing is left there to be closed.
        ...(open || confirmed === null
          ? {}
          : { confirmed_state: writeConfirmedState({ ...confirmed, closed: true }) }),
      })
      .where('id', '=', incidentId)
      .execute();
    const ids = outbox.pending.filter((command) => !command.sent).map((command) => command.id);
    await supersede(tx, ids, 'the provider no longer knows the incident', now);
    const again = opening === null ? '' : '; it is opened there again, once';
    const reason = `${provider} no longer knows it${again}`;
    await auditSync(tx, provider, incidentId, { gone: incident.externalId, reason }, now);
    if (opening === null) return 'noted';
    await enqueueCommands(tx, [{ incident, command: opening, by: 'system' }], now);
    return 'opened again';

    async function openingOf(): Promise<CommandPayload | null> {
      const first = await tx
        .selectFrom('incident_commands')
        .select('payload')
        .where('incident_id', '=', incidentId)
        .where('kind', '=', 'open')
        .orderBy('created_at')
        .limit(1)
        .executeTakeFirst();
      const payload = first === undefined ? null : (fromStorableJson(first.payload) as CommandPayload);
      if (payload?.kind !== 'open' || incident === undefined) return null;
      return { kind: 'open', incident: { ...payload.incident, severity: incident.severity } };
    }
  });
}
