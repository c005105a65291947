import type { ColumnType, Generated } from 'kysely';
import type { Labels, Link, Mute, Severity, SourceName, Status } from '../alerts/alert.ts';

/**
 * The tables as kysely sees them; `migrations/` is the truth, docs/schema.md the
 * description. jsonb columns take a JSON text on the way in.
 */
export type Database = {
  alerts_active: AlertsTable;
  alerts_archive: AlertsTable & { archived_at: Date; archive_reason: string };
  alert_actions: AlertActionsTable;
  incidents: IncidentsTable;
  incident_commands: IncidentCommandsTable;
  cluster_health: ClusterHealthTable;
  cluster_conditions: ClusterConditionsTable;
  cluster_watch: ClusterWatchTable;
  cluster_config_maps: ClusterConfigMapsTable;
  deliveries: DeliveriesTable;
  notifications: NotificationsTable;
  send_budgets: SendBudgetsTable;
  channels: ChannelsTable;
  inbound_events: InboundEventsTable;
  people: PeopleTable;
  api_tokens: ApiTokensTable;
  idempotency_keys: IdempotencyKeysTable;
  source_heartbeats: SourceHeartbeatsTable;
  untold_episodes: UntoldEpisodesTable;
  measured_moments: { subject_id: string; kind: string; at: Date };
  timetable_claims: { name: string; slot_at: Date };
  canary_runs: CanaryRunsTable;
  health_checks: HealthChecksTable;
  listening: ListeningTable;
};

type Json<T> = ColumnType<T, string, string>;

export type AlertsTable = {
  id: string;
  correlation_id: string;
  source: SourceName;
  tenant: string;
  fingerprint: string;
  severity: Severity;
  severity_pinned: boolean;
  status: Status;
  title: string;
  description: string;
  namespace: string | null;
  labels: Json<Labels>;
  annotations: Json<Labels>;
  links: Json<Link[]>;
  values: ColumnType<Record<string, number> | null, string | null, string | null>;
  state_reason: string | null;
  mute: Mute | null;
  fold_key: string | null;
  incident_id: string | null;
  jaeger_trace_id: string | null;
  trace_ids: string[];
  occurrences: number;
  episode: number;
  role: 'primary' | 'secondary' | 'standalone';
  primary_id: string | null;
  assigned_to: string | null;
  starts_at: Date;
  latest_starts_at: Date;
  expires_at: Date | null;
  expiry_guessed: boolean | null;
  stale_at: Date | null;
  received_at: Date;
  last_seen_at: Date;
  created_at: Date;
  updated_at: Date;
  acknowledged_at: Date | null;
  acknowledged_by: string | null;
  resolved_at: Date | null;
  resolved_by: string | null;
  resolve_received_at: Date | null;
};

export type ActionKind =
  | 'create'
  | 'refire'
  | 'update'
  | 'acknowledge'
  | 'unacknowledge'
  | 'escalate'
  | 'assign'
  | 'resolve'
  | 'note'
  | 'archive'
  | 'create_incident'
  | 'attach_incident'
  | 'incident_status'
  | 'sync';

/** The door a change came through. */
export type ActionSource = 'slack' | 'api' | 'webhook' | 'console' | 'system';

type AlertActionsTable = {
  id: string;
  alert_id: string | null;
  incident_id: string | null;
  user_id: string;
  action: ActionKind;
  details: Json<Record<string, unknown>>;
  source: ActionSource;
  created_at: Date;
};

export type IncidentStatus = 'open' | 'assigned' | 'resolved' | 'closed';

export type IncidentsTable = {
  id: string;
  title: string;
  severity: Severity;
  status: IncidentStatus;
  assigned_to: string | null;
  alert_count: number;
  primary_alert_id: string | null;
  provider: string | null;
  connection_id: string | null;
  external_kind: string | null;
  external_id: string | null;
  external_url: string | null;
  opsgenie_incident_id: ColumnType<string | null, never, never>;
  opened_by: string;
  acknowledged_at: Date | null;
  acknowledged_by: string | null;
  sync_claimed_at: Date | null;
  confirmed_state: ColumnType<
    Record<string, unknown> | null,
    string | null | undefined,
    string | null | undefined
  >;
  overruled_severity: ColumnType<Severity | null, Severity | null | undefined, Severity | null>;
  compared_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  gone_external_id: ColumnType<string | null, string | null | undefined, string | null>;
  reopened_there_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  sync_claimed_by: Generated<string | null>;
  created_at: Date;
  updated_at: Date;
  resolved_at: Date | null;
};

export type IncidentCommandsTable = {
  id: string;
  incident_id: string;
  kind: string;
  payload: Json<Record<string, unknown>>;
  requested_by: string;
  state: 'pending' | 'accepted' | 'confirmed' | 'failed' | 'unknown' | 'superseded';
  request_id: string | null;
  attempts: Generated<number>;
  polls: Generated<number>;
  next_at: Date;
  last_error: string | null;
  submitted_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  refusals: Generated<number>;
  created_at: Date;
  updated_at: Date;
};

type ClusterHealthTable = {
  id: string;
  snapshot_time: Date;
  node_count: number;
  ready_nodes: number;
  pod_count: number;
  running_pods: number;
  failed_pods: number;
  namespace_data: Json<Record<string, unknown>>;
  resource_metrics: Json<Record<string, unknown>>;
};

type ClusterConditionsTable = {
  cluster: string;
  key: string;
  state: 'pending' | 'suppressed' | 'digested' | 'firing' | 'resolved';
  severity: Severity | null;
  since: Date;
  fired_at: Date | null;
  finding: Json<Record<string, unknown>>;
  updated_at: Date;
};

type ClusterWatchTable = {
  cluster: string;
  started_at: Date;
  baselined: string[];
  history: Json<Record<string, unknown>>;
  updated_at: Date;
};

type ClusterConfigMapsTable = {
  cluster: string;
  namespace: string;
  name: string;
  uid: string;
  resource_version: string;
  hashes: Json<Record<string, unknown>>;
  change: Json<Record<string, unknown>> | null;
  updated_at: Date;
};

type DeliveriesTable = {
  id: string;
  received_at: Date;
  source: SourceName;
  sender: string;
  content_type: string | null;
  headers: Json<Record<string, unknown>>;
  body: Buffer;
  body_encoding: 'zstd' | 'identity';
  body_bytes: number;
  outcome: Json<Record<string, unknown>>;
};

type NotificationsTable = {
  id: string;
  subject: string;
  /** Null: a notice, about no alert. */
  alert_id: string | null;
  notifier: string;
  channel: string;
  purpose: string;
  episode: number;
  state: 'due' | 'sending' | 'sent' | 'unknown' | 'failed' | 'superseded';
  lane: string;
  priority: number;
  due_at: Date;
  wanted: Generated<number>;
  attempts: Generated<number>;
  reposts: Generated<number>;
  claimed_at: Date | null;
  claimed_by: Generated<string | null>;
  attempted_at: Date | null;
  channel_id: string | null;
  message_id: string | null;
  card_hash: string | null;
  closed: Generated<boolean>;
  reason: string;
  last_error: string | null;
  received_at: Date;
  created_at: Date;
  posted_at: Date | null;
  updated_at: Date;
  content: ColumnType<MessageText | null, string | null | undefined, string | null>;
  sent_to: Generated<string | null>;
  parent_id: Generated<string | null>;
  expires_at: Generated<Date | null>;
};

/** What a notice or a line in a thread says. */
export type MessageText = { text: string; broadcast?: boolean };

export type ChannelsTable = {
  notifier: string;
  channel: string;
  state: 'ok' | 'dead' | 'recovering';
  channel_id: string | null;
  code: string;
  detail: string;
  since: Date;
  checked_at: Date | null;
  trial: boolean;
  outage: number;
  updated_at: Date;
};

type SendBudgetsTable = { lane: string; tokens: number; refilled_at: Date; paused_until: Date | null };

type InboundEventsTable = {
  id: string;
  kind: string;
  dedup_key: string;
  payload: Json<Record<string, unknown>>;
  received_at: Date;
  processed_at: Date | null;
  outcome: string | null;
  subject: ColumnType<string | null, string | null | undefined, string | null>;
};

type PeopleTable = { slack_id: string; email: string | null; name: string; fetched_at: Date };

type ApiTokensTable = {
  id: string;
  name: string;
  role: 'source' | 'viewer' | 'responder' | 'admin';
  tenant: string;
  token_hash: Buffer;
  created_at: Date;
  revoked_at: Date | null;
};

type IdempotencyKeysTable = {
  owner: string;
  key: string;
  request_hash: Buffer;
  response: ColumnType<Record<string, unknown> | null, string | null, string>;
  created_at: Date;
};

type ListeningTable = { id: Generated<boolean>; last_at: Date; since: Date | null };

type SourceHeartbeatsTable = { source: string; tenant: string; last_seen_at: Date };

type UntoldEpisodesTable = { alert_id: string; episode: number; reason: string; noted_at: Date };

type CanaryRunsTable = {
  id: string;
  started_at: Date;
  alert_id: string | null;
  notified_at: Date | null;
  finished_at: Date | null;
  outcome: string | null;
  detail: string | null;
};

type HealthChecksTable = {
  name: string;
  definition: Json<Record<string, unknown>>;
  interval_ms: number;
  next_at: Date;
  seen_at: Date;
  claims: string;
  status: 'unknown' | 'up' | 'failing' | 'down' | 'recovering';
  status_since: Date | null;
  checked_at: Date | null;
  duration_ms: number | null;
  detail: string;
  certificate_expires_at: Date | null;
  conditions: Json<Record<string, unknown>>;
  results: Json<Record<string, unknown>[]>;
  created_at: Date;
};
