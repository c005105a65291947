import type { IntakeResult, WithinCommit } from '../alerts/intake.ts';
import type { Db } from '../db/pool.ts';
import { fromStorableJson, toStorableJson } from '../db/text.ts';

/** `Idempotency-Key`: the key is claimed and the answer stored in the transaction that stores the alerts. */
export type IdempotencyClaim = { owner: string; key: string; requestHash: Buffer };

export async function storedAnswer(
  db: Db,
  claim: IdempotencyClaim,
): Promise<{ kind: 'answered'; result: IntakeResult } | { kind: 'other-request' } | { kind: 'new' }> {
  const row = await db
    .selectFrom('idempotency_keys')
    .select(['request_hash', 'response'])
    .where('owner', '=', claim.owner)
    .where('key', '=', claim.key)
    .executeTakeFirst();
  if (row === undefined) return { kind: 'new' };
  if (!row.request_hash.equals(claim.requestHash)) return { kind: 'other-request' };
  if (row.response === null) return { kind: 'new' };
  return { kind: 'answered', result: fromStorableJson(row.response) as IntakeResult };
}

export function claimKey(claim: IdempotencyClaim, now: Date): WithinCommit {
  return {
    // A second request with the key waits here for the first to commit, and then fails on the primary key.
    claim: async (tx) => {
      await tx
        .insertInto('idempotency_keys')
        .values({
          owner: claim.owner,
          key: claim.key,
          request_hash: claim.requestHash,
          response: null,
          created_at: now,
        })
        .execute();
    },
    store: async (tx, result) => {
      await tx
        .updateTable('idempotency_keys')
        .set({ response: toStorableJson(result) })
        .where('owner', '=', claim.owner)
        .where('key', '=', claim.key)
        .execute();
    },
  };
}
