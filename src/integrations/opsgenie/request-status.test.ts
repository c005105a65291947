import { describe, expect, it } from 'vitest';
import type { OpsgenieAnswer } from './client.ts';
import { acceptedRequestId, readRequestOutcome } from './request-status.ts';

const answer = (
  body: unknown,
  headers: Record<string, string> = {},
): Extract<OpsgenieAnswer, { ok: true }> => ({ ok: true, status: 200, headers: new Headers(headers), body });

describe('readRequestOutcome', () => {
  it('takes any 404 as not yet processed', () => {
    expect(readRequestOutcome({ ok: false, reason: 'rejected', code: '404', detail: '' })).toEqual({
      ok: true,
      state: 'pending',
    });
  });

  it('passes other failures on', () => {
    const failure: OpsgenieAnswer = { ok: false, reason: 'rate-limited', code: '429', detail: '' };
    expect(readRequestOutcome(failure)).toBe(failure);
  });

  it('reads success of alerts and incidents, in the envelope or without', () => {
    expect(readRequestOutcome(answer({ data: { isSuccess: true, alertId: 'a1', alias: 'x' } }))).toEqual({
      ok: true,
      state: 'done',
      id: 'a1',
      processedAt: null,
    });
    expect(readRequestOutcome(answer({ isSuccess: true, incidentId: 'i1', alias: 'i1' }))).toEqual({
      ok: true,
      state: 'done',
      id: 'i1',
      processedAt: null,
    });
    expect(readRequestOutcome(answer({ data: { success: true } }))).toEqual({
      ok: true,
      state: 'done',
      id: null,
      processedAt: null,
    });
  });

  it('reads when it was done, by the clock of the vendor', () => {
    const processedAt = '2026-01-01T09:00:00.123Z';
    expect(
      readRequestOutcome(answer({ data: { isSuccess: true, alertId: 'a1', processedAt } })),
    ).toMatchObject({ processedAt: new Date(processedAt) });
  });

  it('reads a failure, which comes with 200 and an empty id', () => {
    expect(
      readRequestOutcome(
        answer({ data: { success: false, isSuccess: false, status: 'Alert does not exist', alertId: '' } }),
      ),
    ).toEqual({
      ok: true,
      state: 'failed',
      detail: 'Alert does not exist',
    });
  });

  it.each([null, [], {}, { data: null }, { data: { isSuccess: 'true' } }])(
    'does not guess from %j',
    (body) => {
      expect(readRequestOutcome(answer(body))).toMatchObject({ ok: false, reason: 'unknown' });
    },
  );
});

describe('acceptedRequestId', () => {
  it('is in the body or in the header', () => {
    expect(acceptedRequestId(answer({ requestId: 'r1' }, { 'x-request-id': 'r2' }))).toBe('r1');
    expect(acceptedRequestId(answer(null, { 'x-request-id': 'r2' }))).toBe('r2');
    expect(acceptedRequestId(answer({}))).toBeNull();
  });
});
