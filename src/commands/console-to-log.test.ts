import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, expect, it, vi } from 'vitest';
import { DatabaseAwayError } from '../db/errors.ts';
import { createLog } from '../observability/log.ts';
import { consoleToLog } from './console-to-log.ts';

const { trace, warn, error } = console;
afterEach(() => void Object.assign(console, { trace, warn, error }));

it('what libraries write to the console are lines of the log, and no news where the database fails', async () => {
  const stderr = vi.spyOn(process.stderr, 'write');
  const destination = new PassThrough();
  consoleToLog(createLog({ level: 'debug', destination, secrets: ['s3cret-value'] }));
  // As the job library does when one of its workers ends.
  console.trace(new DatabaseAwayError('no answer in time'));
  console.error('attempt 1/2 failed', new Error('with s3cret-value'));
  console.warn('odd');
  destination.end();
  const lines = (await text(destination)).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { level: 'debug', msg: 'a library says', err: { message: 'the database is away: no answer in time' } },
    { level: 'warn', text: 'attempt 1/2 failed', err: { message: 'with ***' } },
    { level: 'warn', text: 'odd' },
  ]);
  expect(stderr).not.toHaveBeenCalled();
  stderr.mockRestore();
});
