import type { Log } from '../observability/log.ts';
import { databaseTrouble } from '../db/errors.ts';

/**
 * Libraries that write to the console would put lines of text between those of the
 * log: the job library does at every fault of the database, of which others tell.
 */
export function consoleToLog(log: Log): void {
  const say = (...told: unknown[]): void => {
    const err = told.find((one) => one instanceof Error);
    const text = told.filter((one) => typeof one === 'string').join(' ');
    const level = databaseTrouble(err) === 'other' ? 'warn' : 'debug';
    log[level]({ ...(err !== undefined && { err }), ...(text !== '' && { text }) }, 'a library says');
  };
  console.trace = say;
  console.warn = say;
  console.error = say;
}
