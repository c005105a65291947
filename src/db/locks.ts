/** Advisory lock numbers, all in one place so that no two uses share one. */
export const locks = {
  migrate: 7_306_001,
  /** While the partitions of raw deliveries are made and dropped. */
  partitions: 7_306_002,
  /** Held, shared, by every process that uses the embedded server (see `embedded-presence.ts`). */
  embeddedPresence: 7_306_900,
} as const;
