import type { Selectable } from 'kysely';
import type { AlertsTable } from '../db/schema.ts';
import { fromStorable, fromStorableMap } from '../db/text.ts';
import type { KnownAlert } from './apply-signal.ts';

/** Between an alert and its row. Text is escaped on the way in and out (see `db/text.ts`). */

/** Every stored column with its type, in one place: inserts, updates and the archive are built from it. */
export const alertColumns = {
  id: 'uuid',
  correlation_id: 'uuid',
  source: 'text',
  tenant: 'text',
  fingerprint: 'text',
  severity: 'alert_severity',
  severity_pinned: 'boolean',
  status: 'alert_status',
  title: 'text',
  description: 'text',
  namespace: 'text',
  labels: 'jsonb',
  annotations: 'jsonb',
  links: 'jsonb',
  values: 'jsonb',
  state_reason: 'text',
  mute: 'text',
  fold_key: 'text',
  incident_id: 'uuid',
  jaeger_trace_id: 'text',
  trace_ids: 'text[]',
  occurrences: 'integer',
  episode: 'integer',
  role: 'alert_role',
  primary_id: 'uuid',
  assigned_to: 'text',
  starts_at: 'timestamptz',
  latest_starts_at: 'timestamptz',
  expires_at: 'timestamptz',
  expiry_guessed: 'boolean',
  stale_at: 'timestamptz',
  received_at: 'timestamptz',
  last_seen_at: 'timestamptz',
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
  acknowledged_at: 'timestamptz',
  acknowledged_by: 'text',
  resolved_at: 'timestamptz',
  resolved_by: 'text',
  resolve_received_at: 'timestamptz',
} as const satisfies Record<keyof AlertsTable, string>;

export const alertColumnNames = Object.keys(alertColumns) as (keyof AlertsTable)[];

/**
 * How a start that nobody named is written: as senders write it, too. The column was NOT
 * NULL from the beginning, and the version before this one reads what we write.
 */
const unnamed = new Date(0);

/** As the column `latest_starts_at` has it. */
export function toLatestStart(latestStartsAt: Date | null): Date {
  return latestStartsAt ?? unnamed;
}

/**
 * A row for `json_to_recordset`, before its text is made storable (`toStorableJson`).
 * What is missing there is NULL: a third of the columns of a new alert, which need
 * not be written, sent and parsed. Times are text already: a `Date` makes
 * `JSON.stringify` several times slower.
 */
export function toRowJson(alert: KnownAlert): Record<keyof AlertsTable, unknown> {
  return {
    id: alert.id,
    correlation_id: alert.correlationId,
    source: alert.source,
    tenant: alert.tenant,
    fingerprint: alert.fingerprint,
    severity: alert.severity,
    severity_pinned: alert.severityPinned,
    status: alert.status,
    title: alert.title,
    description: alert.description,
    namespace: alert.namespace ?? undefined,
    labels: alert.labels,
    annotations: alert.annotations,
    links: alert.links,
    values: alert.values ?? undefined,
    state_reason: alert.stateReason ?? undefined,
    mute: alert.mute ?? undefined,
    fold_key: alert.foldKey ?? undefined,
    incident_id: alert.incidentId ?? undefined,
    jaeger_trace_id: alert.traceId ?? undefined,
    trace_ids: alert.traceIds,
    occurrences: alert.occurrences,
    episode: alert.episode,
    role: alert.role,
    primary_id: alert.primaryId ?? undefined,
    assigned_to: alert.assignedTo ?? undefined,
    starts_at: alert.startsAt.toISOString(),
    latest_starts_at: toLatestStart(alert.latestStartsAt).toISOString(),
    expires_at: alert.expiresAt?.toISOString(),
    expiry_guessed: alert.expiryGuessed || undefined,
    stale_at: alert.staleAt?.toISOString(),
    received_at: alert.receivedAt.toISOString(),
    last_seen_at: alert.lastSeenAt.toISOString(),
    created_at: alert.createdAt.toISOString(),
    updated_at: alert.updatedAt.toISOString(),
    acknowledged_at: alert.acknowledgedAt?.toISOString(),
    acknowledged_by: alert.acknowledgedBy ?? undefined,
    resolved_at: alert.resolvedAt?.toISOString(),
    resolved_by: alert.resolvedBy ?? undefined,
    resolve_received_at: alert.resolveReceivedAt?.toISOString(),
  };
}

type AlertRow = Selectable<AlertsTable>;

/** What the rules need and nobody is shown: without it a list costs a sixth less. */
const inwardColumns = [
  'tenant',
  'severity_pinned',
  'mute',
  'fold_key',
  'latest_starts_at',
  'expires_at',
  'expiry_guessed',
  'received_at',
  'resolved_by',
  'resolve_received_at',
] as const satisfies (keyof AlertsTable)[];
type InwardColumn = (typeof inwardColumns)[number];

export type ShownRow = Omit<AlertRow, InwardColumn>;
export const shownColumnNames = alertColumnNames.filter(
  (name) => !(inwardColumns as readonly string[]).includes(name),
);

/** An alert as far as people are shown it. */
export type ShownAlert = Omit<
  KnownAlert,
  | 'tenant'
  | 'severityPinned'
  | 'mute'
  | 'foldKey'
  | 'latestStartsAt'
  | 'expiresAt'
  | 'expiryGuessed'
  | 'receivedAt'
  | 'resolvedBy'
  | 'resolveReceivedAt'
>;

export function fromRow(row: AlertRow): KnownAlert {
  return {
    ...fromShownRow(row),
    tenant: fromStorable(row.tenant),
    severityPinned: row.severity_pinned,
    mute: row.mute,
    foldKey: row.fold_key === null ? null : fromStorable(row.fold_key),
    latestStartsAt: row.latest_starts_at > unnamed ? row.latest_starts_at : null,
    expiresAt: row.expires_at,
    expiryGuessed: row.expiry_guessed ?? false,
    receivedAt: row.received_at,
    resolvedBy: orNull(row.resolved_by, fromStorable),
    resolveReceivedAt: row.resolve_received_at,
  };
}

export function fromShownRow(row: ShownRow): ShownAlert {
  return {
    id: row.id,
    source: row.source,
    fingerprint: fromStorable(row.fingerprint),
    correlationId: row.correlation_id,
    severity: row.severity,
    status: row.status,
    title: fromStorable(row.title),
    description: fromStorable(row.description),
    namespace: row.namespace === null ? null : fromStorable(row.namespace),
    labels: fromStorableMap(row.labels),
    annotations: fromStorableMap(row.annotations),
    links: row.links.map((link) => ({ rel: link.rel, url: fromStorable(link.url) })),
    values: withNames(row.values, fromStorable),
    stateReason: row.state_reason === null ? null : fromStorable(row.state_reason),
    incidentId: row.incident_id,
    traceId: row.jaeger_trace_id,
    traceIds: row.trace_ids,
    occurrences: row.occurrences,
    episode: row.episode,
    role: row.role,
    primaryId: row.primary_id,
    assignedTo: orNull(row.assigned_to, fromStorable),
    startsAt: row.starts_at,
    staleAt: row.stale_at,
    lastSeenAt: row.last_seen_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    acknowledgedAt: row.acknowledged_at,
    acknowledgedBy: orNull(row.acknowledged_by, fromStorable),
    resolvedAt: row.resolved_at,
  };
}

function withNames(
  values: Record<string, number> | null,
  change: (name: string) => string,
): Record<string, number> | null {
  if (values === null) return null;
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [change(name), value]));
}

function orNull(text: string | null, change: (text: string) => string): string | null {
  return text === null ? null : change(text);
}
