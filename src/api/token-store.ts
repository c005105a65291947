import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { newId } from '../lib/ids.ts';

export const roles = ['source', 'viewer', 'responder', 'admin'] as const;
export type Role = (typeof roles)[number];

export type ListedToken = {
  name: string;
  role: Role;
  tenant: string;
  createdAt: Date;
  revokedAt: Date | null;
};

/** Tokens are 256 random bits, so a plain hash is enough to keep them: there is nothing to guess. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Makes a token. It is answered once and kept only as a hash. `null` when the name is taken. */
export async function createToken(
  db: Db,
  wanted: { name: string; role: Role; tenant: string },
  now: Date,
): Promise<string | null> {
  const token = `gomon_${randomBytes(32).toString('base64url')}`;
  const made = await db
    .insertInto('api_tokens')
    .values({
      id: newId(),
      name: wanted.name,
      role: wanted.role,
      tenant: wanted.tenant,
      token_hash: hashToken(token),
      created_at: now,
      revoked_at: null,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst();
  return made === undefined ? null : token;
}

export async function listTokens(db: Db): Promise<ListedToken[]> {
  const rows = await db
    .selectFrom('api_tokens')
    .select(['name', 'role', 'tenant', 'created_at', 'revoked_at'])
    .orderBy('created_at')
    .execute();
  return rows.map((row) => ({
    name: row.name,
    role: row.role,
    tenant: row.tenant,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  }));
}

/** False when there is no such token in use. */
export async function revokeToken(db: Db, name: string, now: Date): Promise<boolean> {
  const revoked = await db
    .updateTable('api_tokens')
    .set({ revoked_at: now })
    .where('name', '=', name)
    .where('revoked_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return revoked !== undefined;
}

/** The tokens in use among these hashes, by hash in base64. */
export async function findTokens(
  db: Db,
  hashes: Buffer[],
): Promise<Map<string, { name: string; role: Role; tenant: string }>> {
  const { rows } = await sql<{ token_hash: Buffer; name: string; role: Role; tenant: string }>`
    SELECT token_hash, name, role, tenant FROM api_tokens
    WHERE token_hash = ANY(${hashes}::bytea[]) AND revoked_at IS NULL`.execute(db);
  return new Map(
    rows.map(({ token_hash, ...caller }): [string, typeof caller] => [token_hash.toString('base64'), caller]),
  );
}
