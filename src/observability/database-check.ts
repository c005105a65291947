import pg from 'pg';
import { sharedRead, TimeoutError } from '../lib/shared-read.ts';

/**
 * Whether the database is there, in words that may be shown to everybody: a driver's
 * error names hosts, users and addresses, so only its kind goes out.
 */
export type DatabaseState =
  | { state: 'ok' }
  /** It answers, but this process has no connection left to ask with. */
  | { state: 'full'; detail: string }
  | { state: 'away'; detail: string };

const freshMs = 1_000;
const timeoutMs = 2_000;

/** Probes that come in bursts share one query a second. */
export function createDatabaseCheck(options: { pool: pg.Pool; url: string }): () => Promise<DatabaseState> {
  const check = sharedRead(() => lookAt(options.pool, options.url), { freshMs, timeoutMs: 2 * timeoutMs });
  return async () => {
    try {
      return await check();
    } catch (error) {
      return { state: 'away', detail: troubleText(error) };
    }
  };
}

async function lookAt(pool: pg.Pool, url: string): Promise<DatabaseState> {
  if (isBusy(pool)) return lookBeside(pool, url);
  try {
    return judge(await pool.query(question));
  } catch (error) {
    // It may have filled up while we waited in line; the server can be well.
    return isBusy(pool) ? lookBeside(pool, url) : { state: 'away', detail: troubleText(error) };
  }
}

/** On a connection of its own: in the pool everybody waits, whether the server hangs or has much to do. */
async function lookBeside(pool: pg.Pool, url: string): Promise<DatabaseState> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'gomon check',
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const state = judge(await client.query(question));
    if (state.state !== 'ok' || pool.waitingCount === 0) return state;
    return { state: 'full', detail: `all ${pool.options.max} connections of the pool are in use` };
  } catch (error) {
    return { state: 'away', detail: troubleText(error) };
  } finally {
    await client.end().catch(() => undefined);
  }
}

const question = `SELECT current_setting('transaction_read_only') AS read_only`;

function judge(answer: pg.QueryResult): DatabaseState {
  const [row] = answer.rows as { read_only: string }[];
  if (row?.read_only === 'on')
    return { state: 'away', detail: 'it takes no writes (a standby, or read-only)' };
  return { state: 'ok' };
}

function isBusy(pool: pg.Pool): boolean {
  return pool.idleCount === 0 && pool.totalCount >= pool.options.max;
}

/** @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const words: Record<string, string> = {
  ECONNREFUSED: 'no connection',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  ETIMEDOUT: 'no answer',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up',
  EHOSTUNREACH: 'not reachable',
  ENETUNREACH: 'not reachable',
  ENOENT: 'no connection',
  '28000': 'it refuses us',
  '28P01': 'it refuses our password',
  '3D000': 'there is no such database',
  '53300': 'it has no connection left',
  '57P01': 'it is shutting down',
  '57P02': 'it crashed',
  '57P03': 'it is starting or recovering',
  '57014': 'it took too long',
};

/** A few words and a code, nothing of ours. */
export function troubleText(error: unknown): string {
  if (error instanceof TimeoutError) return 'no answer in time';
  const code = codeOf(error);
  if (code !== null) return `${words[code] ?? 'it does not answer as it should'} (${code})`;
  const message = error instanceof Error ? error.message : '';
  if (/timeout|timed out/i.test(message)) return 'no answer in time';
  if (/terminated|closed|ended/i.test(message)) return 'the connection broke';
  return 'it does not answer as it should';
}

/** Of several addresses tried the first one's stands for all. */
function codeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('code' in error && typeof error.code === 'string' && /^[A-Z0-9_]{1,40}$/.test(error.code)) {
    return error.code;
  }
  return error instanceof AggregateError ? codeOf(error.errors[0]) : null;
}
