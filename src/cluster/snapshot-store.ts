import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { toStorableJson } from '../db/text.ts';
import { newId } from '../lib/ids.ts';
import type { Snapshot } from './snapshot.ts';

export async function storeSnapshot(db: Db, snapshot: Snapshot, now: Date): Promise<void> {
  await db
    .insertInto('cluster_health')
    .values({
      id: newId(),
      snapshot_time: now,
      node_count: snapshot.nodes,
      ready_nodes: snapshot.readyNodes,
      pod_count: snapshot.pods,
      running_pods: snapshot.runningPods,
      failed_pods: snapshot.failedPods,
      namespace_data: toStorableJson(snapshot.namespaces),
      resource_metrics: toStorableJson(snapshot.resources),
    })
    .execute();
}

/** Keeps all of a day, the first of each hour for 30 days, the first of each day for a year. */
export async function thinSnapshots(db: Db, now: Date): Promise<void> {
  await sql`
    DELETE FROM cluster_health WHERE id IN (
      SELECT id FROM (
        SELECT id, snapshot_time,
          row_number() OVER (PARTITION BY date_trunc('hour', snapshot_time AT TIME ZONE 'UTC') ORDER BY snapshot_time, id) AS of_hour,
          row_number() OVER (PARTITION BY date_trunc('day', snapshot_time AT TIME ZONE 'UTC') ORDER BY snapshot_time, id) AS of_day
        FROM cluster_health WHERE snapshot_time < ${now}::timestamptz - interval '23 hours'
      ) AS old
      WHERE (snapshot_time < ${now}::timestamptz - interval '1 day' AND of_hour > 1)
         OR (snapshot_time < ${now}::timestamptz - interval '30 days' AND of_day > 1)
         OR snapshot_time < ${now}::timestamptz - interval '365 days'
    )`.execute(db);
}

export type SnapshotRow = {
  at: Date;
  nodes: number;
  readyNodes: number;
  pods: number;
  runningPods: number;
  failedPods: number;
};

/** Newest first. */
export async function recentSnapshots(db: Db, since: Date, limit: number): Promise<SnapshotRow[]> {
  const rows = await db
    .selectFrom('cluster_health')
    .select(['snapshot_time', 'node_count', 'ready_nodes', 'pod_count', 'running_pods', 'failed_pods'])
    .where('snapshot_time', '>=', since)
    .orderBy('snapshot_time', 'desc')
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    at: row.snapshot_time,
    nodes: row.node_count,
    readyNodes: row.ready_nodes,
    pods: row.pod_count,
    runningPods: row.running_pods,
    failedPods: row.failed_pods,
  }));
}
