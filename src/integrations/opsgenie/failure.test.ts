import { describe, expect, it } from 'vitest';
import type { HttpFailure } from '../../lib/http.ts';
import { classifyFailure, classifyStatus } from './failure.ts';

describe('classifyStatus', () => {
  it.each([
    [400, 'rejected'],
    [401, 'auth'],
    [402, 'auth'],
    [403, 'auth'],
    [404, 'rejected'],
    [405, 'rejected'],
    [408, 'unknown'],
    [409, 'rejected'],
    [422, 'rejected'],
    [429, 'rate-limited'],
    [500, 'unknown'],
    [501, 'rejected'],
    [503, 'unknown'],
    [304, 'unknown'],
  ])('%i is %s', (status, reason) => {
    expect(classifyStatus(status, new Headers(), { message: 'why' })).toMatchObject({
      ok: false,
      reason,
      code: String(status),
      detail: expect.stringContaining('why'),
    });
  });

  it.each([
    ['30', 30_000],
    ['0.5', 500],
    ['999999', 3_600_000],
  ])('waits as long as the vendor says: %s', (period, retryAfterMs) => {
    expect(classifyStatus(429, new Headers({ 'x-ratelimit-period-in-sec': period }), null)).toMatchObject({
      retryAfterMs,
    });
  });

  it.each(['', 'soon', '0', '-1'])('names no period for %j', (period) => {
    expect(
      classifyStatus(429, new Headers({ 'x-ratelimit-period-in-sec': period }), null),
    ).not.toHaveProperty('retryAfterMs');
  });

  it('names the fields of a refused body, shortly', () => {
    const { detail } = classifyStatus(422, new Headers(), {
      message: 'Not processable',
      errors: { tags: 'too\nmany', message: 'x'.repeat(1000) },
    });
    expect(detail).toContain('tags: too many');
    expect(detail.length).toBeLessThanOrEqual(300);
  });
});

describe('classifyFailure', () => {
  const failure: HttpFailure = {
    ok: false,
    kind: 'network',
    applied: 'maybe',
    code: 'ECONNRESET',
    detail: 'broke',
    response: null,
  };
  const html = (status: number): HttpFailure => ({
    ...failure,
    kind: 'not-json',
    response: { status, headers: new Headers() },
  });

  it('takes what surely did not arrive as unavailable, anything else as unknown', () => {
    expect(classifyFailure({ ...failure, applied: 'no', code: 'ECONNREFUSED' })).toMatchObject({
      reason: 'unavailable',
      code: 'ECONNREFUSED',
    });
    expect(classifyFailure(failure)).toMatchObject({ reason: 'unknown' });
    expect(classifyFailure({ ...failure, kind: 'timeout' })).toMatchObject({ reason: 'unknown' });
  });

  it("goes by the status of a proxy's page, except a success", () => {
    expect(classifyFailure(html(200))).toMatchObject({ reason: 'unknown' });
    expect(classifyFailure(html(429))).toMatchObject({ reason: 'rate-limited' });
    expect(classifyFailure(html(403))).toMatchObject({ reason: 'auth' });
    expect(classifyFailure(html(502))).toMatchObject({ reason: 'unknown' });
  });
});
