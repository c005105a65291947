import { describe, expect, it } from 'vitest';
import { DatabaseAwayError, databaseTrouble } from './errors.ts';

const coded = (code: string): Error => Object.assign(new Error('as the driver says it'), { code });

describe('database trouble', () => {
  it.each([
    ['ECONNREFUSED', 'unavailable'],
    ['ENOENT', 'unavailable'], // the socket file of a server that is gone
    ['08006', 'unavailable'],
    ['57P01', 'unavailable'], // administrator ends the session
    ['57P03', 'unavailable'], // starting up
    ['53300', 'busy'], // too many connections
    ['53100', 'unavailable'], // disk full
    ['57014', 'busy'], // statement timeout
    ['55P03', 'busy'], // lock timeout
    ['58030', 'unavailable'], // its disk fails
    ['25006', 'unavailable'], // read-only: a standby was not promoted yet
    ['25P03', 'unavailable'], // idle in transaction too long
    ['40P01', 'conflict'],
    ['40001', 'conflict'],
    ['22P05', 'data'], // NUL in jsonb
    ['22001', 'data'], // too long
    ['23502', 'data'],
    ['23505', 'data'],
    ['54000', 'data'], // too long for an index
    ['42P01', 'other'], // no such table
    ['28P01', 'other'], // wrong password
    ['XX000', 'other'],
  ] as const)('%s is %s', (code, trouble) => {
    expect(databaseTrouble(coded(code))).toBe(trouble);
  });

  it.each([
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'Client has encountered a connection error and is not queryable',
    'Client was closed and is not queryable',
    'Cannot use a pool after calling end on the pool',
  ])('%j has no code and means that the server is away', (message) => {
    expect(databaseTrouble(new Error(message))).toBe('unavailable');
  });

  it('tells the queue of our own pool from a server that is away', () => {
    expect(databaseTrouble(new Error('timeout exceeded when trying to connect'))).toBe('busy');
    expect(databaseTrouble(new DatabaseAwayError('it hangs'))).toBe('unavailable');
  });

  it('does not take our own mistakes for trouble of the database', () => {
    expect(databaseTrouble(new TypeError('x is not a function'))).toBe('other');
    expect(databaseTrouble('57P01')).toBe('other');
    expect(databaseTrouble(undefined)).toBe('other');
    expect(databaseTrouble({ code: '40P01' })).toBe('other');
  });
});
