import type { Link } from '../alerts/alert.ts';
import type { ListedAlert, RecordedAction } from '../alerts/alert-queries.ts';
import type { Incident as DomainIncident } from '../incidents/incident.ts';
import type { Alert } from './contract/alert.ts';
import type { ListedAction } from './contract/common.ts';
import type { Incident } from './contract/incident.ts';

/** From our types to what the API shows. */
export type Addresses = {
  publicUrl: string;
  traceUrl: (traceId: string) => string | null;
};

export function presentAlert(alert: ListedAlert, addresses: Addresses): Alert {
  const link = (rel: Link['rel']): string | null => alert.links.find((one) => one.rel === rel)?.url ?? null;
  return {
    id: alert.id,
    fingerprint: alert.fingerprint,
    correlationId: alert.correlationId,
    source: alert.source,
    severity: alert.severity,
    status: alert.archivedAt === null ? alert.status : 'archived',
    title: alert.title,
    description: alert.description,
    namespace: alert.namespace,
    labels: alert.labels,
    annotations: alert.annotations,
    values: alert.values,
    stateReason: alert.stateReason,
    incidentId: alert.incidentId,
    traceId: alert.traceId,
    traceIds: alert.traceIds,
    traceUrl: alert.traceId === null ? null : addresses.traceUrl(alert.traceId),
    occurrences: alert.occurrences,
    episode: alert.episode,
    role: alert.role,
    primaryId: alert.primaryId,
    assignedTo: alert.assignedTo,
    startsAt: alert.startsAt.toISOString(),
    lastSeenAt: alert.lastSeenAt.toISOString(),
    staleAt: iso(alert.staleAt),
    createdAt: alert.createdAt.toISOString(),
    updatedAt: alert.updatedAt.toISOString(),
    acknowledgedAt: iso(alert.acknowledgedAt),
    acknowledgedBy: alert.acknowledgedBy,
    resolvedAt: iso(alert.resolvedAt),
    archivedAt: iso(alert.archivedAt),
    links: {
      self: `${addresses.publicUrl}/api/v1/alerts/${alert.id}`,
      incident:
        alert.incidentId === null ? null : `${addresses.publicUrl}/api/v1/incidents/${alert.incidentId}`,
      source: link('source'),
      silence: link('silence'),
      dashboard: link('dashboard'),
      panel: link('panel'),
      runbook: link('runbook'),
      image: link('image'),
    },
  };
}

export function presentIncident(incident: DomainIncident, addresses: Addresses): Incident {
  return {
    id: incident.id,
    title: incident.title,
    severity: incident.severity,
    status: incident.status,
    assignedTo: incident.assignedTo,
    provider: incident.provider,
    externalId: incident.externalId,
    externalUrl: incident.externalUrl,
    alertCount: incident.alertCount,
    primaryAlertId: incident.primaryAlertId,
    createdAt: incident.createdAt.toISOString(),
    updatedAt: incident.updatedAt.toISOString(),
    resolvedAt: iso(incident.resolvedAt),
    links: {
      self: `${addresses.publicUrl}/api/v1/incidents/${incident.id}`,
      external: incident.externalUrl,
      alerts: `${addresses.publicUrl}/api/v1/alerts?incidentId=${incident.id}`,
    },
  };
}

export function presentAction(action: RecordedAction): ListedAction {
  const { decisions: _decisions, ...details } = action.details;
  return {
    id: action.id,
    action: action.action,
    userId: action.userId,
    source: action.door,
    details,
    alertId: action.alertId,
    incidentId: action.incidentId,
    createdAt: action.at.toISOString(),
  };
}

function iso(date: Date | null): string | null {
  return date === null ? null : date.toISOString();
}
