import { decisionsIn, type RecordedAction, type StoredAlert } from '../alerts/alert-queries.ts';
import { opensByItself } from '../incidents/open.ts';
import { notificationsOf } from '../notify/ledger.ts';
import { routeAlert, subjectOf, suppression } from '../notify/route.ts';
import type { AlertDetail } from './contract/alert.ts';
import type { ApiServices } from './services.ts';

/**
 * Why an alert is as it is: what was decided when reports came in (kept with the
 * audit log), and how it stands now with grouping, suppression, routing, incident
 * and messages (read from the rules and the ledger).
 */
export async function explainAlert(
  services: ApiServices,
  alert: StoredAlert,
  actions: RecordedAction[],
): Promise<AlertDetail['decisions']> {
  // The rules are asked anew each time; what they say has been so since the alert last changed.
  const since = alert.updatedAt.toISOString();
  const present = (stage: string, outcome: string, reason: string) => ({
    stage,
    outcome,
    reason,
    at: since,
    deliveryId: null,
  });
  const recorded = decisionsIn(actions).map((decision) => ({ ...decision, at: decision.at.toISOString() }));
  const messages = await notificationsOf(services.db, [subjectOf(alert)]);
  const muted = suppression(alert);
  const route = routeAlert(alert, services.routing);
  return [
    ...recorded,
    alert.foldKey === null
      ? present('grouping', alert.role, 'it stands alone')
      : present(
          'grouping',
          `data source ${alert.foldKey}`,
          'alerts of one broken data source share a message',
        ),
    muted === null
      ? present('suppression', 'told', 'nothing suppresses it')
      : present('suppression', alert.mute ?? 'muted', muted),
    ...(muted === null ? [present('routing', route.channel, route.reason)] : []),
    ...(alert.incidentId === null && muted === null ? [incidentVerdict(services, alert, present)] : []),
    ...messages.map((row) => ({
      stage: 'delivery',
      outcome: `${row.state} ${row.channel}`,
      reason:
        row.last_error ??
        `${row.reason}${row.posted_at === null ? '' : `; posted ${row.posted_at.toISOString()}`}`,
      at: row.updated_at.toISOString(),
      deliveryId: null,
    })),
  ];
}

function incidentVerdict(
  services: ApiServices,
  alert: StoredAlert,
  present: (stage: string, outcome: string, reason: string) => AlertDetail['decisions'][number],
): AlertDetail['decisions'][number] {
  const verdict = opensByItself(alert, services.incidentPolicy.autoCreate);
  return present('incident', verdict.open ? 'opens by itself' : 'none', verdict.reason);
}
