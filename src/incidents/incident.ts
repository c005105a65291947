import type { Severity } from '../alerts/alert.ts';
import type { IncidentStatus } from '../db/schema.ts';

/** One piece of trouble that people are called to, made of one or more alerts. */
export type Incident = {
  id: string;
  title: string;
  severity: Severity;
  status: IncidentStatus;
  assignedTo: string | null;
  /** The provider that was told, null while none is configured. */
  provider: string | null;
  connectionId: string | null;
  /** What it is there; null until it is known. */
  externalKind: string | null;
  externalId: string | null;
  /** Leads to the incident at the provider; null until the provider confirmed it. */
  externalUrl: string | null;
  alertCount: number;
  primaryAlertId: string | null;
  openedBy: string;
  acknowledgedAt: Date | null;
  acknowledgedBy: string | null;
  /** The gravest severity of its alerts when a person chose a lower one for it; null when nobody did. */
  overruledSeverity: Severity | null;
  createdAt: Date;
  updatedAt: Date;
  resolvedAt: Date | null;
};

export function isOpenIncident(status: IncidentStatus): boolean {
  return status === 'open' || status === 'assigned';
}
