import type { Db } from '../db/pool.ts';
import { toldSubjects } from './inbound-events.ts';
import type { IncidentProvider, ProviderFailure, ProviderState } from './provider.ts';

/**
 * Looks for what was opened for an incident while its id there is not known: by our
 * mark, and then by the ids that the provider's events with our mark told of. A mark
 * may lead only to what is still open (an alias of Opsgenie does), and a person may
 * have closed it already.
 */
export async function findOpened(
  { db, provider }: { db: Db; provider: IncidentProvider },
  incidentId: string,
  signal: AbortSignal,
): Promise<ProviderState | ProviderFailure> {
  const marked = await provider.read({ incidentId, externalId: null }, signal);
  if (!marked.ok || marked.found || provider.identify === undefined) return marked;
  for (const subject of await toldSubjects(db, provider.name, incidentId)) {
    const whose = await provider.identify(subject, signal);
    if (!whose.ok) return whose;
    if (!whose.found || whose.incidentId !== incidentId || whose.externalId === null) continue;
    const state = await provider.read({ incidentId, externalId: whose.externalId }, signal);
    if (!state.ok || state.found) return state;
  }
  return marked;
}
