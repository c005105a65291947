import type pg from 'pg';

/** Whether the database is there, in words that may be shown to everybody. */
export type DatabaseState =
  | { state: 'ok' }
  /** It answers, but this process has no connection left to ask with. */
  | { state: 'full'; detail: string }
  | { state: 'away'; detail: string };

/** @param whyAway asks the database on a session of its own: in the pool everybody may be waiting. Null: it is there. */
export function createDatabaseCheck(options: {
  pool: Pick<pg.Pool, 'idleCount' | 'totalCount' | 'waitingCount' | 'options'>;
  whyAway: () => Promise<string | null>;
}): () => Promise<DatabaseState> {
  const { pool, whyAway } = options;
  return async () => {
    const detail = await whyAway();
    if (detail !== null) return { state: 'away', detail };
    const isFull = pool.idleCount === 0 && pool.totalCount >= pool.options.max && pool.waitingCount > 0;
    if (!isFull) return { state: 'ok' };
    return { state: 'full', detail: `all ${pool.options.max} connections of the pool are in use` };
  };
}
