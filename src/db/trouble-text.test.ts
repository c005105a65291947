import { describe, expect, it } from 'vitest';
import { troubleText } from './trouble-text.ts';

describe('what is wrong with the database', () => {
  it.each([
    [
      Object.assign(new Error('the database system is starting up'), { code: '57P03' }),
      'it is starting or recovering (57P03)',
    ],
    [
      Object.assign(new Error('password authentication failed for user "x"'), { code: '28P01' }),
      'it refuses our password (28P01)',
    ],
    [new Error('Connection terminated unexpectedly'), 'the connection broke'],
    [
      new AggregateError([Object.assign(new Error('::1'), { code: 'ECONNREFUSED' })]),
      'no connection (ECONNREFUSED)',
    ],
    [Object.assign(new Error('x'), { code: 'host db.internal' }), 'it does not answer as it should'],
    ['what', 'it does not answer as it should'],
  ])('%s is said as: %s', (error, text) => {
    expect(troubleText(error)).toBe(text);
  });
});
