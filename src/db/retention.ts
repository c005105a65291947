import type { Db } from './pool.ts';

const dayMs = 86_400_000;
/** Keys protect a client's retries, which do not come days later. */
const idempotencyKeysForMs = dayMs;

/** Forgets what has served its time: answered keys, worked-off clicks and webhooks. */
export async function forgetServed(db: Db, now: Date, retentionDays: number): Promise<void> {
  await db
    .deleteFrom('idempotency_keys')
    .where('created_at', '<', new Date(now.getTime() - idempotencyKeysForMs))
    .execute();
  await db
    .deleteFrom('inbound_events')
    .where('received_at', '<', new Date(now.getTime() - retentionDays * dayMs))
    .execute();
}
