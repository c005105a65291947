import { TimeoutError } from '../lib/shared-read.ts';

/**
 * What is wrong with the database, in words that may be shown to everybody: a
 * driver's error names hosts, users and addresses, so only its kind goes out.
 */

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
