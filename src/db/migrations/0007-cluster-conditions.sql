-- What the cluster watcher has found, so that another process (or the next one)
-- goes on where the last stopped. Nothing of the previous version reads these.
CREATE TABLE cluster_conditions (
  cluster    text NOT NULL,
  key        text NOT NULL,
  state      text NOT NULL,
  severity   alert_severity,
  since      timestamptz NOT NULL,
  fired_at   timestamptz,
  finding    jsonb NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (cluster, key)
);

CREATE TABLE cluster_watch (
  cluster    text PRIMARY KEY,
  started_at timestamptz NOT NULL,
  baselined  text[] NOT NULL DEFAULT '{}',
  history    jsonb NOT NULL DEFAULT '{}',
  updated_at timestamptz NOT NULL
);
