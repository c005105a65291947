import type { Db } from './pool.ts';
import { toStorable, toStorableJson } from './text.ts';
import { enqueue, type Job } from '../jobs/enqueue.ts';
import { newId } from '../lib/ids.ts';

/**
 * Stores a click, a command, an event or a provider's webhook before it is
 * answered, with the job that works it off in the same transaction. The same one
 * again (a retry) is found by its key and stored only once.
 * @returns `receivedAt`: when the one that is stored came.
 */
export async function storeInbound(
  db: Db,
  event: {
    kind: string;
    dedupKey: string;
    payload: Record<string, unknown>;
    receivedAt: Date;
    /** What it is about, for whoever works off all events of one thing at once. */
    subject?: string;
  },
  job: (eventId: string) => Job | null,
): Promise<{ id: string; stored: boolean; receivedAt: Date }> {
  return db.transaction().execute(async (tx) => {
    const row = await tx
      .insertInto('inbound_events')
      .values({
        id: newId(),
        kind: event.kind,
        dedup_key: toStorable(event.dedupKey),
        payload: toStorableJson(event.payload),
        received_at: event.receivedAt,
        processed_at: null,
        outcome: null,
        subject: event.subject === undefined ? null : toStorable(event.subject),
      })
      .onConflict((conflict) => conflict.columns(['kind', 'dedup_key']).doNothing())
      .returning('id')
      .executeTakeFirst();
    if (row === undefined) {
      const known = await tx
        .selectFrom('inbound_events')
        .select(['id', 'received_at'])
        .where('kind', '=', event.kind)
        .where('dedup_key', '=', toStorable(event.dedupKey))
        .executeTakeFirstOrThrow();
      return { id: known.id, stored: false, receivedAt: known.received_at };
    }
    const work = job(row.id);
    if (work !== null) await enqueue(tx, [work]);
    return { id: row.id, stored: true, receivedAt: event.receivedAt };
  });
}
