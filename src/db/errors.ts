/** What went wrong, as far as the caller has to tell the kinds apart. */
export type DatabaseTrouble =
  /** The server is away, stopping, starting, only to be read, or the connection broke. */
  | 'unavailable'
  /** The server is there, but all connections are in use (ours or its own), or something took too long. */
  | 'busy'
  /** Lost against another transaction; the same again may succeed. */
  | 'conflict'
  /** The data itself is refused; the same again would be refused again. */
  | 'data'
  | 'other';

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ECONNABORTED',
]);

/** How the text of a `DatabaseAwayError` begins. */
export const databaseAway = 'the database is away: ';

/** The server is known to be away: said at once instead of being found out by every request. */
export class DatabaseAwayError extends Error {
  override readonly name = 'DatabaseAwayError';

  /** @param detail why, for people: "no answer within 3 s". */
  constructor(detail: string, options?: ErrorOptions) {
    super(`${databaseAway}${detail}`, options);
  }
}

/**
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html: class 08
 * connection, 57P0x shutdown, 53 resources, 58 the system below, 40 rollback, 22 and 23 data.
 */
export function databaseTrouble(error: unknown): DatabaseTrouble {
  if (!(error instanceof Error)) return 'other';
  if (error instanceof DatabaseAwayError) return 'unavailable';
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') {
    if (code === '53300' || code === '57014' || code === '55P03') return 'busy';
    if (networkCodes.has(code) || /^(?:08|57P|53|58)/.test(code)) return 'unavailable';
    if (code === '25006' || code === '25P03') return 'unavailable';
    if (code.startsWith('40')) return 'conflict';
    if (code.startsWith('22') || code.startsWith('23') || code === '54000') return 'data';
  }
  // pg and its pool report these without a code. The first is said by the pool, of its queue.
  if (error.message === 'timeout exceeded when trying to connect') return 'busy';
  if (
    /connection terminated|is not queryable|Query read timeout|Cannot use a pool after/i.test(error.message)
  )
    return 'unavailable';
  return 'other';
}
