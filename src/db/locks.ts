/** Advisory lock numbers, all in one place so that no two uses share one. */
export const locks = {
  migrate: 7_306_001,
  watchdogs: 7_306_002,
  partitions: 7_306_003,
} as const;
