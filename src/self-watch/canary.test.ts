import { describe, expect, it } from 'vitest';
import { at } from '../../test/support/alerts.ts';
import { judge } from './canary.ts';
import { slotAt } from './slots.ts';
import { judgeLastRun } from './wellness.ts';

describe('how a run went', () => {
  const posted = (seconds: number) => ({ postedAt: at(seconds), lastError: null });
  it.each([
    ['in time', posted(2), null, 'ok'],
    ['later', posted(2.1), null, 'late'],
    ['never', { postedAt: null, lastError: 'channel: not_in_channel' }, null, 'not-notified'],
    ['not even planned', null, null, 'not-notified'],
    ['in time, but the provider is away', posted(1), 'unavailable: 503', 'provider'],
    ['never, and the provider is away', null, 'unavailable: 503', 'not-notified'],
  ])('%s', (_, message, trouble, outcome) => {
    expect(judge(at(0), message, trouble).outcome).toBe(outcome);
  });

  it('says what the last try met with', () => {
    expect(judge(at(0), { postedAt: null, lastError: 'auth: token_revoked' }, null).detail).toContain(
      'token_revoked',
    );
  });
});

describe('whether all is well by the canary', () => {
  it.each([
    [null, 0, 'no canary has come through yet'],
    [{ outcome: 'ok' as const, startedAt: at(0) }, 180, null],
    [{ outcome: 'late' as const, startedAt: at(0) }, 60, null],
    [{ outcome: 'ok' as const, startedAt: at(0) }, 181, `the last canary was sent at ${at(0).toISOString()}`],
    [{ outcome: 'provider' as const, startedAt: at(0) }, 1, 'the last canary ended as provider'],
    [{ outcome: 'lost' as const, startedAt: at(0) }, 1, 'the last canary ended as lost'],
  ])('%o after %i s', (last, seconds, trouble) => {
    expect(judgeLastRun(last, at(seconds), 60_000)).toBe(trouble);
  });
});

it('turns of the clock begin at multiples of the interval', () => {
  expect(slotAt(at(59), 60_000)).toEqual(at(0));
  expect(slotAt(at(60), 60_000)).toEqual(at(60));
});
