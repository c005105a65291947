import { timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { databaseTrouble } from '../db/errors.ts';
import type { Db } from '../db/pool.ts';
import { batchedLookup } from './batched-lookup.ts';
import { findTokens, hashToken, type Role } from './token-store.ts';
import { ProblemError } from './problem.ts';

/** Who is asking: an API token, by its name and what it may do. */
export type Caller = { name: string; role: Role; tenant: string };

/** `basic`: the token may also be the password of Basic, which webhooks of sources send. */
export type Scheme = 'bearer' | 'basic';

export type Authenticator = (
  request: Pick<FastifyRequest, 'headers'>,
  scheme?: Scheme,
) => Promise<Caller | null>;

/** A revoked token stops working within this time on every process. */
const cacheForMs = 5_000;
const cacheSize = 1_000;

/** Tokens are looked up by hash and remembered for a moment. */
export function createAuthenticator(options: {
  db: Db;
  adminToken: string | null;
  /** Of a caller inside this very process; kept nowhere. */
  internal?: { token: string; caller: Caller } | undefined;
  now: () => number;
  /** Looks at the database now. */
  isAway: () => Promise<boolean>;
}): Authenticator {
  // Only what is valid is remembered: guesses must not push the others out.
  const cache = new Map<string, { caller: Caller; until: number }>();
  const internal = options.internal === undefined ? null : hashToken(options.internal.token);
  const admin = options.adminToken === null ? null : hashToken(options.adminToken);
  const find = batchedLookup((hashes) => findTokens(options.db, hashes));
  return async (request, scheme = 'bearer') => {
    const token = tokenOf(request.headers.authorization, scheme);
    if (token === null) return null;
    const hash = hashToken(token);
    if (admin !== null && timingSafeEqual(hash, admin)) return { name: 'admin', role: 'admin', tenant: '' };
    if (internal !== null && options.internal !== undefined && timingSafeEqual(hash, internal))
      return options.internal.caller;
    const key = hash.toString('base64');
    const known = cache.get(key);
    if (known !== undefined && known.until > options.now()) return known.caller;
    const caller = await find(hash).catch(async (error: unknown) => {
      // While the database is away nobody can be looked up, nor revoked: whom we knew may go on sending alerts.
      if (known?.caller && (await isAway(error, options.isAway))) return known.caller;
      throw error;
    });
    if (cache.size >= cacheSize) cache.clear();
    if (caller === null) cache.delete(key);
    else cache.set(key, { caller, until: options.now() + cacheForMs });
    return caller;
  };
}

/** A database that hangs looks busy until that is known. */
async function isAway(error: unknown, look: () => Promise<boolean>): Promise<boolean> {
  const trouble = databaseTrouble(error);
  return trouble === 'unavailable' || (trouble === 'busy' && (await look()));
}

/** `Bearer TOKEN`, or the password of `Basic` for senders that know nothing else. */
function tokenOf(header: string | undefined, scheme: Scheme): string | null {
  const [, given = '', credentials = ''] = /^(\S+)\s+(.+)$/.exec(header?.trim() ?? '') ?? [];
  if (given.toLowerCase() === 'bearer') return credentials.trim();
  if (scheme !== 'basic' || given.toLowerCase() !== 'basic') return null;
  const [, password = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(credentials, 'base64').toString('utf8')) ?? [];
  return password === '' ? null : password;
}

const may: Record<Role, readonly Right[]> = {
  source: ['send'],
  viewer: ['read'],
  responder: ['read', 'act', 'send'],
  admin: ['read', 'act', 'send'],
};
export type Right = 'send' | 'read' | 'act';

/** The caller, or a 401/403 that says what is missing. */
export function requireRight(caller: Caller | null, right: Right): Caller {
  if (caller === null) {
    throw new ProblemError(
      {
        status: 401,
        detail: 'A valid API token is needed: Authorization: Bearer TOKEN (gomon token create makes one).',
      },
      { 'www-authenticate': 'Bearer realm="gomon"' },
    );
  }
  if (!may[caller.role].includes(right)) {
    const roles = (Object.keys(may) as Role[]).filter((role) => may[role].includes(right)).join(', ');
    throw new ProblemError({
      status: 403,
      detail: `The token "${caller.name}" has the role ${caller.role}; this needs one of: ${roles}.`,
    });
  }
  return caller;
}
