-- What the ledger needs to account for every telling, and what the service keeps
-- of watching itself. Everything is new beside what was there: the previous version
-- runs on with it.

-- A telling is an alert's episode: it begins with one of these audit rows.
CREATE INDEX alert_actions_tellings_idx ON alert_actions (created_at) WHERE action IN ('create', 'refire');

-- Rows arrive in the order of time, so a few bytes per block find a span of it.
CREATE INDEX deliveries_received_at_idx ON deliveries USING brin (received_at) WITH (autosummarize = on);

-- Episodes that have no message for a reason that nothing else shows afterwards.
CREATE TABLE untold_episodes (
  alert_id uuid NOT NULL,
  episode  integer NOT NULL,
  reason   text NOT NULL,
  noted_at timestamptz NOT NULL,
  PRIMARY KEY (alert_id, episode)
);
CREATE INDEX untold_episodes_noted_at_idx ON untold_episodes (noted_at);

-- What has gone into a histogram or counter already: jobs run twice, and in several processes.
CREATE TABLE measured_moments (
  subject_id uuid NOT NULL,
  kind       text NOT NULL,
  at         timestamptz NOT NULL,
  PRIMARY KEY (subject_id, kind, at)
);
CREATE INDEX measured_moments_at_idx ON measured_moments (at);

-- What one of several processes does at each turn of the clock.
CREATE TABLE timetable_claims (
  name    text PRIMARY KEY,
  slot_at timestamptz NOT NULL
);

CREATE TABLE canary_runs (
  id          uuid PRIMARY KEY,
  started_at  timestamptz NOT NULL,
  alert_id    uuid,
  notified_at timestamptz,
  finished_at timestamptz,
  outcome     text,
  detail      text
);
CREATE INDEX canary_runs_started_at_idx ON canary_runs (started_at);
