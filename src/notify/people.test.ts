import { describe, expect, it } from 'vitest';
import { personOf } from './people.ts';

describe('somebody nobody told us of', () => {
  it.each([
    ['USTRANGE1', 'USTRANGE1'],
    ['W012A3CDE', 'W012A3CDE'],
    ['UNDERWOOD', null],
    ['ann@example.org', null],
    ['token:U012A3CDE5', 'U012A3CDE5'],
    ['opsgenie:ada@example.org', null],
    ['U1', null],
  ])('%s', (userId, slackId) => {
    expect(personOf(new Map(), userId).slackId).toBe(slackId);
  });
});
