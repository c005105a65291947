/** What went wrong, as far as the caller has to tell the kinds apart. */
export type DatabaseTrouble =
  /** The server is away, stopping, starting, out of connections, or the connection broke. */
  | 'unavailable'
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
]);

/**
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html: class 08
 * connection, 57P0x shutdown, 53 resources, 40 rollback, 22 and 23 data.
 */
export function databaseTrouble(error: unknown): DatabaseTrouble {
  if (!(error instanceof Error)) return 'other';
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') {
    if (networkCodes.has(code) || code.startsWith('08') || code.startsWith('57P') || code.startsWith('53')) {
      return 'unavailable';
    }
    if (code === '25006' || code === '57014' || code === '25P03') return 'unavailable';
    if (code.startsWith('40')) return 'conflict';
    if (code.startsWith('22') || code.startsWith('23') || code === '54000') return 'data';
  }
  // pg and its pool report these without a code.
  if (
    /connection terminated|timeout exceeded when trying to connect|Client has encountered|Cannot use a pool after/i.test(
      error.message,
    )
  ) {
    return 'unavailable';
  }
  return 'other';
}
