/** Advisory lock numbers, all in one place so that no two uses share one. */
export const locks = {
  migrate: 7_306_001,
  /** While the partitions of raw deliveries are made and dropped. */
  partitions: 7_306_002,
  /** Held by the one process that watches the cluster. */
  clusterWatcher: 7_306_007,
  /** Held, shared, by everybody who uses the embedded server; exclusively by the one that stops it. */
  embeddedPresence: 7_306_900,
  /** Held, shared, by every process that works; exclusively by one that has just found nobody else working. */
  workersAtWork: 7_306_901,
  /** First half of the two-part locks that workers hold under their names (see `jobs/worker.ts`). */
  workerPresence: 7_306,
  /** First half of the two-part locks that processes hold under their names, shared (see `worker-presence.ts`). */
  processPresence: 7_307,
} as const;
