import { describe, expect, it } from 'vitest';

import { readTime, timeOrNull } from './times.ts';

describe('readTime', () => {
  it.each([
    ['2026-11-20T08:15:30Z', '2026-11-20T08:15:30.000Z'],
    ['2025-09-16T17:11:19.283071388Z', '2025-09-16T17:11:19.283Z'],
    ['2021-10-12T09:51:03.157076+02:00', '2021-10-12T07:51:03.157Z'],
    ['2019-02-15T23:53:45.093+0000', '2019-02-15T23:53:45.093Z'],
    ['2026-11-20t08:15:30z', '2026-11-20T08:15:30.000Z'],
  ])('reads %s', (text, iso) => {
    expect(timeOrNull(text)?.toISOString()).toBe(iso);
  });

  it.each([undefined, null, '', '0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z', '1970-01-01T01:00:00+01:00'])(
    'takes %j as not given',
    (value) => {
      expect(readTime(value)).toEqual({ ok: true, time: null });
    },
  );

  it.each([
    'yesterday',
    '2026-11-20',
    '2026-13-40T08:15:30Z',
    '2026-11-20T08:15:30',
    '3/22/2019 1:36:31 PM',
    1763626530,
    {},
    [],
  ])('cannot read %j', (value) => {
    expect(readTime(value)).toEqual({ ok: false });
    expect(timeOrNull(value)).toBeNull();
  });
});
