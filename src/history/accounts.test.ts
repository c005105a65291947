import { describe, expect, it } from 'vitest';
import { at } from '../../test/support/alerts.ts';
import { type EntryAccounts, spanOf, sumUp } from './accounts.ts';

const entries: EntryAccounts = {
  requests: 1,
  refused: 0,
  received: 3,
  created: 3,
  updated: 0,
  resolved: 0,
  ignored: 0,
  rejected: 0,
  createdByAudit: 3,
};
const span = { from: at(0), to: at(60) };
const rest = { accepted: 3, unaccountedAlertIds: [], entries, canary: 0 };

describe('the sum', () => {
  it('holds when every telling is in a column', () => {
    const accounts = sumUp(
      span,
      [
        { state: 'delivered', reason: 'message', count: 1 },
        { state: 'suppressed', reason: 'heartbeat', count: 1 },
        { state: 'failed', reason: 'payload: invalid_blocks', count: 1 },
      ],
      rest,
    );
    expect(accounts).toMatchObject({
      holds: true,
      delivered: 1,
      suppressedBy: { heartbeat: 1 },
      failedBy: { 'payload: invalid_blocks': 1 },
      pending: 0,
    });
  });

  it.each([
    ['one is in no column', [{ state: 'unaccounted' as const, reason: '', count: 3 }], rest],
    ['one was not judged at all', [{ state: 'delivered' as const, reason: 'message', count: 2 }], rest],
    [
      'requests created more than the audit log knows of',
      [{ state: 'delivered' as const, reason: 'message', count: 3 }],
      { ...rest, entries: { ...entries, createdByAudit: 2 } },
    ],
  ])('does not hold when %s', (_, counts, others) => {
    expect(sumUp(span, counts, others).holds).toBe(false);
  });

  it('does not ask for requests that are not kept any more', () => {
    const counts = [{ state: 'delivered' as const, reason: 'message', count: 3 }];
    const old = { ...rest, entries: { ...entries, created: 0, createdByAudit: null } };
    expect(sumUp(span, counts, old).holds).toBe(true);
  });
});

describe('the span', () => {
  it('is the last 24 hours by default', () => {
    const day = 86_400;
    expect(spanOf({}, at(day))).toEqual({ ok: true, from: at(0), to: at(day) });
    expect(spanOf({ to: at(10) }, at(day))).toEqual({ ok: true, from: at(10 - day), to: at(10) });
  });

  it('is refused the wrong way round, empty, or too long, with what is allowed', () => {
    expect(spanOf({ from: at(1), to: at(1) }, at(5))).toMatchObject({ ok: false });
    expect(spanOf({ from: at(9) }, at(5))).toMatchObject({
      ok: false,
      reason: expect.stringContaining('before to'),
    });
    expect(spanOf({ from: at(0) }, at(32 * 86_400))).toMatchObject({
      ok: false,
      reason: expect.stringContaining('at most 31'),
    });
    expect(spanOf({ from: at(0) }, at(31 * 86_400))).toMatchObject({ ok: true });
  });
});
