-- What an alert is, what is done to it, what is told of it. Columns named in the
-- design document keep their names; everything else serves the promises in
-- docs/schema.md. Times are timestamptz, intervals half-open.

-- Finding parts of words needs trigrams. The extension is "trusted": whoever may
-- create objects in the database may install it. Without it search still works,
-- only slower.
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN OTHERS THEN
  RAISE NOTICE 'pg_trgm is not available (%): text search will scan', SQLERRM;
END $$;

-- In the order of gravity, so that ORDER BY severity puts P0 first.
CREATE TYPE alert_severity AS ENUM ('P0', 'P1', 'P2', 'P3', 'P4');
CREATE TYPE alert_status AS ENUM ('firing', 'acknowledged', 'escalated', 'resolved', 'archived');
CREATE TYPE alert_role AS ENUM ('primary', 'secondary', 'standalone');
CREATE TYPE incident_status AS ENUM ('open', 'assigned', 'resolved', 'closed');
CREATE TYPE action_kind AS ENUM (
  'create', 'refire', 'update', 'acknowledge', 'escalate', 'assign', 'resolve', 'note', 'archive',
  'create_incident', 'attach_incident', 'incident_status', 'sync'
);
CREATE TYPE action_source AS ENUM ('slack', 'api', 'webhook', 'console', 'system');

CREATE TABLE incidents (
  id                   uuid PRIMARY KEY,
  title                text NOT NULL,
  severity             alert_severity NOT NULL,
  status               incident_status NOT NULL DEFAULT 'open',
  assigned_to          varchar(320),
  alert_count          integer NOT NULL DEFAULT 0,
  primary_alert_id     uuid,
  -- Which connection opened it and what it is called there: never rewritten by a
  -- change of provider, so that what was opened in one place is closed there.
  provider             text,
  connection_id        text,
  external_kind        text,
  external_id          text,
  external_url         varchar(2048),
  opsgenie_incident_id varchar(255) GENERATED ALWAYS AS (CASE WHEN provider = 'opsgenie' THEN external_id END) STORED,
  opened_by            text NOT NULL,
  acknowledged_at      timestamptz,
  acknowledged_by      text,
  -- One process at a time talks to the provider about an incident.
  sync_claimed_at      timestamptz,
  created_at           timestamptz NOT NULL,
  updated_at           timestamptz NOT NULL,
  resolved_at          timestamptz
);
CREATE UNIQUE INDEX incidents_external_id_idx ON incidents (connection_id, external_kind, external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX incidents_opsgenie_incident_id_idx ON incidents (opsgenie_incident_id, connection_id) WHERE opsgenie_incident_id IS NOT NULL;
CREATE INDEX incidents_status_idx ON incidents (status, severity, created_at);
CREATE INDEX incidents_created_at_idx ON incidents (created_at, id);

CREATE TABLE alerts_active (
  id                uuid PRIMARY KEY,
  correlation_id    uuid NOT NULL,
  source            varchar(64) NOT NULL,
  tenant            text NOT NULL DEFAULT '',
  fingerprint       text NOT NULL,
  severity          alert_severity NOT NULL,
  severity_pinned   boolean NOT NULL DEFAULT false,
  status            alert_status NOT NULL,
  title             varchar NOT NULL,
  description       text NOT NULL DEFAULT '',
  namespace         varchar(1024),
  labels            jsonb NOT NULL DEFAULT '{}',
  annotations       jsonb NOT NULL DEFAULT '{}',
  links             jsonb NOT NULL DEFAULT '[]',
  "values"          jsonb,
  state_reason      text,
  mute              text,
  fold_key          text,
  incident_id       uuid REFERENCES incidents (id),
  jaeger_trace_id   varchar(64),
  trace_ids         text[] NOT NULL DEFAULT '{}',
  occurrences       integer NOT NULL DEFAULT 1,
  episode           integer NOT NULL DEFAULT 1,
  role              alert_role NOT NULL DEFAULT 'standalone',
  primary_id        uuid,
  assigned_to       varchar(320),
  starts_at         timestamptz NOT NULL,
  -- The newest start any report of this episode named: a resolve that ended
  -- before it belongs to an earlier one.
  latest_starts_at  timestamptz NOT NULL,
  expires_at        timestamptz,
  -- When the report behind the present status arrived: latency is counted from it.
  received_at       timestamptz NOT NULL,
  last_seen_at      timestamptz NOT NULL,
  created_at        timestamptz NOT NULL,
  updated_at        timestamptz NOT NULL,
  acknowledged_at   timestamptz,
  acknowledged_by   text,
  resolved_at       timestamptz,
  resolved_by       text,
  -- When we learned of the end; resolved_at is when the source says it ended.
  resolve_received_at timestamptz,
  CONSTRAINT alerts_active_identity UNIQUE (source, tenant, fingerprint)
) WITH (fillfactor = 85);
-- A repeat touches only last_seen_at, occurrences, expires_at and texts, none of
-- which is indexed: PostgreSQL then updates in place (HOT), which is what makes a
-- report of every alert every minute affordable.
CREATE INDEX alerts_active_status_severity_created_at_idx ON alerts_active (status, severity, created_at);
CREATE INDEX alerts_active_namespace_status_idx ON alerts_active (namespace, status);
CREATE INDEX alerts_active_created_at_updated_at_idx ON alerts_active (created_at, updated_at);
CREATE INDEX alerts_active_correlation_id_idx ON alerts_active (correlation_id);
CREATE INDEX alerts_active_title_idx ON alerts_active (left(title, 200));
CREATE INDEX alerts_active_labels_idx ON alerts_active USING gin (labels jsonb_path_ops);
CREATE INDEX alerts_active_incident_id_idx ON alerts_active (incident_id) WHERE incident_id IS NOT NULL;
CREATE INDEX alerts_active_fold_key_idx ON alerts_active (source, tenant, fold_key) WHERE fold_key IS NOT NULL;

CREATE TABLE alerts_archive (
  LIKE alerts_active INCLUDING DEFAULTS,
  archived_at    timestamptz NOT NULL,
  archive_reason varchar(255) NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX alerts_archive_archived_at_idx ON alerts_archive (archived_at);
CREATE INDEX alerts_archive_status_severity_created_at_idx ON alerts_archive (status, severity, created_at);
CREATE INDEX alerts_archive_namespace_status_idx ON alerts_archive (namespace, status);
CREATE INDEX alerts_archive_created_at_updated_at_idx ON alerts_archive (created_at, updated_at);
CREATE INDEX alerts_archive_correlation_id_idx ON alerts_archive (correlation_id);
CREATE INDEX alerts_archive_title_idx ON alerts_archive (left(title, 200));
CREATE INDEX alerts_archive_labels_idx ON alerts_archive USING gin (labels jsonb_path_ops);
CREATE INDEX alerts_archive_incident_id_idx ON alerts_archive (incident_id) WHERE incident_id IS NOT NULL;

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
    CREATE INDEX alerts_active_search_idx ON alerts_active USING gin ((title || ' ' || coalesce(labels ->> 'alertname', '') || ' ' || coalesce(namespace, '')) gin_trgm_ops);
  END IF;
END $$;

-- The audit log. No foreign key: an alert can be archived and dropped while what
-- was done to it stays. `decisions` in details answers "why?" for the change.
CREATE TABLE alert_actions (
  id          uuid PRIMARY KEY,
  alert_id    uuid,
  incident_id uuid,
  user_id     varchar(320) NOT NULL,
  action      action_kind NOT NULL,
  details     jsonb NOT NULL DEFAULT '{}',
  source      action_source NOT NULL,
  created_at  timestamptz NOT NULL,
  CHECK (alert_id IS NOT NULL OR incident_id IS NOT NULL)
);
CREATE INDEX alert_actions_alert_id_idx ON alert_actions (alert_id, created_at);
CREATE INDEX alert_actions_incident_id_idx ON alert_actions (incident_id, created_at) WHERE incident_id IS NOT NULL;

CREATE TABLE cluster_health (
  id               uuid PRIMARY KEY,
  snapshot_time    timestamptz NOT NULL,
  node_count       integer NOT NULL,
  ready_nodes      integer NOT NULL,
  pod_count        integer NOT NULL,
  running_pods     integer NOT NULL,
  failed_pods      integer NOT NULL,
  namespace_data   jsonb NOT NULL DEFAULT '{}',
  resource_metrics jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX cluster_health_snapshot_time_idx ON cluster_health (snapshot_time);

-- What arrived, byte for byte, so that a decision can be replayed. One partition
-- a day, dropped whole; the default partition only catches what no other takes.
CREATE TABLE deliveries (
  id            uuid NOT NULL,
  received_at   timestamptz NOT NULL,
  source        varchar(64) NOT NULL,
  sender        text NOT NULL,
  content_type  text,
  headers       jsonb NOT NULL DEFAULT '{}',
  body          bytea NOT NULL,
  body_encoding text NOT NULL,
  body_bytes    integer NOT NULL,
  -- Counts by outcome and the reasons of what was refused or ignored, by index.
  outcome       jsonb NOT NULL,
  PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);
CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT;
ALTER TABLE deliveries_default ALTER COLUMN body SET STORAGE EXTERNAL;

-- The ledger of notifications: one row per message that people see.
CREATE TABLE notifications (
  id            uuid PRIMARY KEY,
  -- 'alert:<id>', or 'datasource:<source>:<tenant>:<uid>' for the shared message
  -- of one broken data source.
  subject       text NOT NULL,
  alert_id      uuid NOT NULL,
  notifier      text NOT NULL,
  channel       text NOT NULL,
  purpose       text NOT NULL DEFAULT 'card',
  -- A refire after a resolve is a new message.
  episode       integer NOT NULL,
  state         text NOT NULL CHECK (state IN ('due', 'sending', 'sent', 'unknown', 'failed')),
  -- Which budget a send is charged to: 'post:<channel>' or 'edit'.
  lane          text NOT NULL,
  priority      smallint NOT NULL,
  due_at        timestamptz NOT NULL,
  -- Counts what was asked for; a send that started with a smaller number is not the last word.
  wanted        integer NOT NULL DEFAULT 1,
  attempts      integer NOT NULL DEFAULT 0,
  reposts       integer NOT NULL DEFAULT 0,
  claimed_at    timestamptz,
  attempted_at  timestamptz,
  channel_id    text,
  message_id    text,
  -- Of the card last accepted by the vendor; an equal one is not sent again.
  card_hash     text,
  closed        boolean NOT NULL DEFAULT false,
  reason        text NOT NULL,
  last_error    text,
  received_at   timestamptz NOT NULL,
  created_at    timestamptz NOT NULL,
  posted_at     timestamptz,
  updated_at    timestamptz NOT NULL,
  UNIQUE (subject, notifier, channel, purpose, episode)
) WITH (fillfactor = 70);
CREATE INDEX notifications_due_idx ON notifications (lane, priority, due_at) WHERE state = 'due';
CREATE INDEX notifications_open_claims_idx ON notifications (claimed_at) WHERE state IN ('sending', 'unknown');
CREATE INDEX notifications_alert_id_idx ON notifications (alert_id);
CREATE INDEX notifications_message_idx ON notifications (channel_id, message_id) WHERE message_id IS NOT NULL;

-- Token buckets shared by all processes.
CREATE TABLE send_budgets (
  lane         text PRIMARY KEY,
  tokens       double precision NOT NULL,
  refilled_at  timestamptz NOT NULL,
  paused_until timestamptz
);

-- What is to be said to the incident provider, in order, and what became of it.
CREATE TABLE incident_commands (
  id           uuid PRIMARY KEY,
  incident_id  uuid NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
  kind         text NOT NULL,
  payload      jsonb NOT NULL DEFAULT '{}',
  requested_by text NOT NULL,
  state        text NOT NULL CHECK (state IN ('pending', 'accepted', 'confirmed', 'failed', 'unknown')),
  request_id   text,
  attempts     integer NOT NULL DEFAULT 0,
  polls        integer NOT NULL DEFAULT 0,
  next_at      timestamptz NOT NULL,
  last_error   text,
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL
);
CREATE INDEX incident_commands_open_idx ON incident_commands (incident_id, created_at) WHERE state IN ('pending', 'accepted', 'unknown');
CREATE INDEX incident_commands_incident_id_idx ON incident_commands (incident_id, created_at);

-- Clicks, commands, events and provider webhooks: stored before they are answered,
-- once each, worked off by a job.
CREATE TABLE inbound_events (
  id           uuid PRIMARY KEY,
  kind         text NOT NULL,
  dedup_key    text NOT NULL,
  payload      jsonb NOT NULL,
  received_at  timestamptz NOT NULL,
  processed_at timestamptz,
  outcome      text,
  UNIQUE (kind, dedup_key)
);
CREATE INDEX inbound_events_received_at_idx ON inbound_events (received_at);

CREATE TABLE people (
  slack_id   text PRIMARY KEY,
  email      text,
  name       text NOT NULL,
  fetched_at timestamptz NOT NULL
);

CREATE TABLE api_tokens (
  id           uuid PRIMARY KEY,
  name         text NOT NULL UNIQUE,
  role         text NOT NULL CHECK (role IN ('source', 'viewer', 'responder', 'admin')),
  tenant       text NOT NULL DEFAULT '',
  token_hash   bytea NOT NULL UNIQUE,
  created_at   timestamptz NOT NULL,
  revoked_at   timestamptz
);

CREATE TABLE idempotency_keys (
  owner        text NOT NULL,
  key          text NOT NULL,
  request_hash bytea NOT NULL,
  response     jsonb,
  created_at   timestamptz NOT NULL,
  PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

-- When a source whose silence is an alert was last heard of.
CREATE TABLE source_heartbeats (
  source       varchar(64) NOT NULL,
  tenant       text NOT NULL DEFAULT '',
  last_seen_at timestamptz NOT NULL,
  PRIMARY KEY (source, tenant)
);
