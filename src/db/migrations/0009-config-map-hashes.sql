-- What is known of ConfigMaps without their values, so that a change while nobody
-- watched is told. Nothing of the previous version reads it.
CREATE TABLE cluster_config_maps (
  cluster          text NOT NULL,
  namespace        text NOT NULL,
  name             text NOT NULL,
  uid              text NOT NULL,
  resource_version text NOT NULL,
  hashes           jsonb NOT NULL,
  change           jsonb,
  updated_at       timestamptz NOT NULL,
  PRIMARY KEY (cluster, namespace, name)
);
