import type { Db } from '../db/pool.ts';
import { toStorable } from '../db/text.ts';
import { isUuid } from '../lib/ids.ts';
import type { Clock } from '../lib/clock.ts';
import { unsettledStates } from './incident-commands.ts';
import { rememberedOwner, type StoredEvent } from './inbound-events.ts';
import type { IncidentProvider, ProviderFailure } from './provider.ts';

export type WhoseEvents =
  | {
      kind: 'ours';
      incident: { id: string; externalId: string | null; createdAt: Date };
      opening: boolean;
      /** The id it has there, where the provider was asked whose it is. */
      identifiedAs: string | null;
    }
  | { kind: 'not-ours'; why: string }
  | { kind: 'later'; why: string }
  | { kind: 'failed'; failure: ProviderFailure };

/** Something the vendor told of and does not know yet may only be new there. */
const mayBeNewForMs = 10_000;

/**
 * Which incident of ours the provider's events are about: by the mark we left, by
 * the id we know it by, by what earlier events of the same thing said, and at last
 * by asking the provider. An account full of other people's alerts costs no calls:
 * whatever says enough of itself to be a stranger is believed.
 */
export async function whoseEvents(
  deps: { db: Db; provider: IncidentProvider; clock: Clock },
  subject: string,
  events: StoredEvent[],
  signal: AbortSignal,
): Promise<WhoseEvents> {
  const { db, provider } = deps;
  const said = [...events, await rememberedOwner(db, provider.name, subject)]
    .filter((one) => one !== null)
    .toReversed();
  const marked = said.map((one) => one.incidentId).find((id) => id !== null);
  if (marked !== undefined) return byMark(deps, marked, null);
  const externalIds = [subject, ...said.flatMap((one) => one.externalIncidentId ?? [])];
  const known = await byExternalId(deps, externalIds);
  if (known !== null) return known;
  if (said.some((one) => one.foreign)) return { kind: 'not-ours', why: 'it carries no mark of ours' };
  if (provider.externalKind === 'alert' && externalIds.length > 1)
    return { kind: 'not-ours', why: 'it pages for an incident that was not opened here' };
  if (provider.identify === undefined) return { kind: 'not-ours', why: 'nothing here has its id' };
  const answer = await provider.identify(subject, signal);
  if (!answer.ok) return { kind: 'failed', failure: answer };
  if (!answer.found) {
    const waited = deps.clock.now().getTime() - (events.at(-1)?.receivedAt.getTime() ?? 0);
    if (waited < mayBeNewForMs) return { kind: 'later', why: 'the provider does not know it yet' };
    return { kind: 'not-ours', why: 'the provider does not know it' };
  }
  if (answer.incidentId !== null) return byMark(deps, answer.incidentId, answer.externalId);
  return (
    (await byExternalId(deps, answer.externalId === null ? [] : [answer.externalId])) ?? {
      kind: 'not-ours',
      why: 'it carries no mark of ours',
    }
  );
}

async function byMark(
  { db, provider }: { db: Db; provider: IncidentProvider },
  incidentId: string,
  identifiedAs: string | null,
): Promise<WhoseEvents> {
  const incident = isUuid(incidentId) ? await find(db, incidentId) : undefined;
  if (incident === undefined) return { kind: 'not-ours', why: `there is no incident ${incidentId} here` };
  const { connection_id: connectionId, external_kind: externalKind } = incident;
  if (
    connectionId !== provider.connectionId ||
    (externalKind ?? provider.externalKind) !== provider.externalKind
  ) {
    return {
      kind: 'not-ours',
      why: `incident ${incidentId} was opened at ${connectionId ?? 'no provider'} (${externalKind ?? 'nothing'})`,
    };
  }
  return {
    kind: 'ours',
    incident: { id: incident.id, externalId: incident.external_id, createdAt: incident.created_at },
    opening: incident.external_id === null && (await isOpening(db, incident.id)),
    identifiedAs,
  };
}

function find(db: Db, id: string) {
  return db
    .selectFrom('incidents')
    .select(['id', 'external_id', 'connection_id', 'external_kind', 'created_at'])
    .where('id', '=', id)
    .executeTakeFirst();
}

async function isOpening(db: Db, incidentId: string): Promise<boolean> {
  const row = await db
    .selectFrom('incident_commands')
    .select('id')
    .where('incident_id', '=', incidentId)
    .where('kind', '=', 'open')
    .where('state', 'in', unsettledStates)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

async function byExternalId(
  { db, provider }: { db: Db; provider: IncidentProvider },
  externalIds: string[],
): Promise<WhoseEvents | null> {
  if (externalIds.length === 0) return null;
  const row = await db
    .selectFrom('incidents')
    .select(['id', 'external_id', 'created_at'])
    .where('connection_id', '=', provider.connectionId)
    .where('external_kind', '=', provider.externalKind)
    .where('external_id', 'in', externalIds.map(toStorable))
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return null;
  const incident = { id: row.id, externalId: row.external_id, createdAt: row.created_at };
  return { kind: 'ours', incident, opening: false, identifiedAs: row.external_id };
}
