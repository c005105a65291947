import { sql } from 'kysely';
import type { Tx } from '../db/pool.ts';
import { fromStorable, fromStorableJson } from '../db/text.ts';
import { facetOf } from './confirmed-state.ts';
import type { CommandPayload } from './incident-store.ts';
import type { PendingCommand, ThereCommand } from './merge.ts';

/** A command in one of these is not over yet. */
export const unsettledStates = ['pending', 'accepted', 'unknown'] as const;

/** What of the outbox matters to whoever compares both sides. Read under the lock of the incident. */
export type Outbox = {
  pending: PendingCommand[];
  /** The thing is being opened there. */
  opening: boolean;
  /** What the provider refused for good. */
  refused: { payload: CommandPayload; at: Date }[];
};

export async function readOutbox(tx: Tx, incidentId: string): Promise<Outbox> {
  const rows = await tx
    .selectFrom('incident_commands')
    .select(['id', 'payload', 'requested_by', 'state', 'created_at', 'updated_at'])
    .where('incident_id', '=', incidentId)
    .where('state', 'in', [...unsettledStates, 'failed'])
    .orderBy('created_at', 'desc')
    .limit(500)
    .execute();
  const outbox: Outbox = { pending: [], opening: false, refused: [] };
  for (const row of rows) {
    const payload = fromStorableJson(row.payload) as CommandPayload;
    if (row.state === 'failed') {
      outbox.refused.push({ payload, at: row.updated_at });
      continue;
    }
    if (payload.kind === 'open') outbox.opening = true;
    const facet = payload.kind === 'close' && payload.twin !== undefined ? null : facetOf(payload.kind);
    if (facet === null) continue;
    const requestedBy = fromStorable(row.requested_by);
    const by = requestedBy === 'system' ? 'automaton' : 'person';
    outbox.pending.push({
      id: row.id,
      facet,
      by,
      requestedBy,
      sent: row.state !== 'pending',
      at: row.created_at,
    });
  }
  return outbox;
}

/** Takes commands back that were not handed over yet. */
export async function supersede(tx: Tx, ids: string[], reason: string, now: Date): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .updateTable('incident_commands')
    .set({ state: 'superseded', last_error: reason, updated_at: now })
    .where('id', '=', sql<string>`ANY(${ids}::uuid[])`)
    .where('state', '=', 'pending')
    .execute();
}

/** Closing is worth another try after so long; everything else that was refused would be refused again. */
const closeAgainAfterMs = 3_600_000;

/** Whether the provider already refused to do this. */
export function wasRefused(command: ThereCommand, refused: Outbox['refused'], now: Date): boolean {
  return refused.some(({ payload, at }) => {
    if (payload.kind !== command.kind) return false;
    if (command.kind === 'close') return now.getTime() - at.getTime() < closeAgainAfterMs;
    if (command.kind === 'assign' && payload.kind === 'assign') return payload.assignee === command.assignee;
    if (command.kind === 'set-severity' && payload.kind === 'set-severity')
      return payload.severity === command.severity;
    return true;
  });
}
