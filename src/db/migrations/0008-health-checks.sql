-- One row for each configured health check: when it is due, what is known of it,
-- and how far its conditions are. Replicas share the rows, so each check runs once.
CREATE TABLE health_checks (
  name                   text PRIMARY KEY,
  definition             jsonb NOT NULL,
  interval_ms            integer NOT NULL CHECK (interval_ms > 0),
  next_at                timestamptz NOT NULL,
  seen_at                timestamptz NOT NULL,
  claims                 bigint NOT NULL DEFAULT 0,
  status                 text NOT NULL DEFAULT 'unknown',
  status_since           timestamptz,
  checked_at             timestamptz,
  duration_ms            integer,
  detail                 text NOT NULL DEFAULT '',
  certificate_expires_at timestamptz,
  conditions             jsonb NOT NULL DEFAULT '{}',
  results                jsonb NOT NULL DEFAULT '[]',
  created_at             timestamptz NOT NULL
);
CREATE INDEX health_checks_next_at_idx ON health_checks (next_at);
