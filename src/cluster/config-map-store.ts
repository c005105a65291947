import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { toStorableJson } from '../db/text.ts';
import type { ConfigChange, ConfigHashes, ConfigRecord, ConfigWriter } from './config-maps.ts';

/** Hashes of ConfigMaps in the database: read once by who becomes the leader, then written as sets. */

export async function loadConfigMaps(db: Db, cluster: string): Promise<ConfigRecord[]> {
  const rows = await db
    .selectFrom('cluster_config_maps')
    .select(['namespace', 'name', 'uid', 'resource_version', 'hashes', 'change'])
    .where('cluster', '=', cluster)
    .execute();
  return rows.map(({ namespace, name, uid, resource_version: version, hashes, change }) => ({
    namespace,
    name,
    uid,
    version,
    hashes: hashes as ConfigHashes,
    change: change === null ? null : readChange(change),
  }));
}

export async function saveConfigMaps(
  db: Db,
  cluster: string,
  records: { changed: readonly ConfigRecord[]; gone: readonly { namespace: string; name: string }[] },
  now: Date,
): Promise<void> {
  const { changed, gone } = records;
  if (gone.length > 0)
    await sql`
      DELETE FROM cluster_config_maps AS kept
      USING jsonb_to_recordset(${toStorableJson(gone)}::jsonb) AS r(namespace text, name text)
      WHERE kept.cluster = ${cluster} AND kept.namespace = r.namespace AND kept.name = r.name`.execute(db);
  if (changed.length > 0)
    await sql`
      INSERT INTO cluster_config_maps (cluster, namespace, name, uid, resource_version, hashes, change, updated_at)
      SELECT ${cluster}, r.namespace, r.name, r.uid, r.version, r.hashes, NULLIF(r.change, 'null'::jsonb), ${now}
      FROM jsonb_to_recordset(${toStorableJson(changed)}::jsonb)
        AS r(namespace text, name text, uid text, version text, hashes jsonb, change jsonb)
      ON CONFLICT (cluster, namespace, name) DO UPDATE SET uid = EXCLUDED.uid,
        resource_version = EXCLUDED.resource_version, hashes = EXCLUDED.hashes, change = EXCLUDED.change,
        updated_at = EXCLUDED.updated_at`.execute(db);
}

function readChange(stored: unknown): ConfigChange {
  const change = stored as ConfigChange & { writer: ConfigWriter | null };
  return {
    ...change,
    firstAt: new Date(change.firstAt),
    at: new Date(change.at),
    writer: change.writer === null ? null : { ...change.writer, at: new Date(change.writer.at) },
  };
}
