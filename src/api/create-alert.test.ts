import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import { CreateAlert } from './contract/create-alert.ts';
import { defaultSourceRules } from '../alerts/source-rules.ts';
import { describeSignal } from '../alerts/describe.ts';
import { meantField } from './contract/field-names.ts';
import { toSignal } from './to-signal.ts';

const receivedAt = new Date('2026-11-20T08:16:00Z');
const signalOf = (item: unknown) => toSignal(CreateAlert.parse(item), receivedAt);
const described = (item: unknown) => describeSignal(signalOf(item), defaultSourceRules, 'api');

/** The first complaint about an item: where, and what. */
function complaint(item: unknown): string {
  const issue = CreateAlert.safeParse(item).error?.issues[0];
  return issue === undefined ? 'fine' : `${issue.path.join('.')}: ${issue.message}`;
}

describe('CreateAlert', () => {
  it('needs no more than a title', () => {
    expect(CreateAlert.parse({ title: 'Disk full' })).toEqual({ title: 'Disk full', status: 'firing' });
  });

  it('takes everything the contract names', () => {
    const all = {
      title: 'Disk full',
      severity: 'P1',
      status: 'resolved',
      source: 'backup',
      description: 'x'.repeat(100_000),
      namespace: 'shop',
      labels: { a: 'x'.repeat(16_384), n: 1, b: true },
      annotations: { c: 'd' },
      dedupKey: 'disk-1',
      startsAt: '2026-11-20T08:00:00+01:00',
      endsAt: '2026-11-20T08:00:00.123456789Z',
      traceId: '463ac35c9f6413ad',
    };
    expect(complaint(all)).toBe('fine');
    expect(
      complaint({
        ...Object.fromEntries(Object.keys(all).map((key) => [key, null])),
        title: 'x',
        status: 'firing',
      }),
    ).toBe('fine');
  });

  it.each<[unknown, RegExp]>([
    [{}, /^title: A title is required/],
    [{ title: '' }, /^title: The title is empty/],
    [{ title: ' \n' }, /^title: The title is empty/],
    [{ title: 'x'.repeat(1_001) }, /^title: /],
    [{ title: 5 }, /^title: A title is required/],
    [{ title: 'x', status: 'acknowledged' }, /^status: /],
    [{ title: 'x', dedupKey: ' ' }, /^dedupKey: The dedupKey is empty/],
    [{ title: 'x', startsAt: 'yesterday' }, /^startsAt: Expected an ISO 8601 time/],
    [{ title: 'x', endsAt: '2026-11-20T08:00:00' }, /^endsAt: Expected an ISO 8601 time/],
    [
      { title: 'x', startsAt: '2026-11-20T08:00:00Z', endsAt: '2026-11-20T07:59:59Z' },
      /^endsAt: endsAt is before startsAt/,
    ],
    [{ title: 'x', labels: { a: {} } }, /^labels\.a: Expected a text/],
    [{ title: 'x', labels: { a: 'x'.repeat(16_385) } }, /^labels\.a: Too big.*16384/],
    [{ title: 'x', labels: [] }, /^labels: /],
    [{ title: 'x', labels: { '': 'a' } }, /^labels/],
    [
      { title: 'x', labels: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`l${i}`, 'x'])) },
      /^labels: At most 100/,
    ],
    [[], /^: /],
    ['x', /^: /],
  ])('refuses bad input %#', (item, reason) => {
    expect(complaint(item)).toMatch(reason);
  });

  it.each([
    [
      { title: 'x', severty: 'P1' },
      'Unknown field "severty" (did you mean "severity"?). Allowed are title, severity, status,',
    ],
    [{ title: 'x', message: 'm' }, 'Unknown field "message" (did you mean "description"?).'],
    [{ title: 'x', Title: 'y', foo: 1 }, 'Unknown fields "Title" (did you mean "title"?), "foo". Allowed'],
    [{ title: 'x', ['__proto__']: 'y' }, 'Unknown field "__proto__".'],
    [{ title: 'x', ...Object.fromEntries('abcdefg'.split('').map((key) => [key, 1])) }, '"e" and 2 more.'],
  ])('names unknown fields and the nearest allowed one: %j', (item, reason) => {
    expect(complaint(JSON.parse(JSON.stringify(item)))).toContain(reason);
  });

  it('keeps a label named __proto__ as a label, without harm', () => {
    const item: unknown = JSON.parse('{"title":"x","labels":{"__proto__":"y","a":1}}');
    expect(Object.entries(signalOf(item).labels)).toEqual([
      ['__proto__', 'y'],
      ['a', '1'],
    ]);
    expect(Object.getPrototypeOf(signalOf(item).labels)).toBe(Object.prototype);
  });

  it('can be described to OpenAPI', () => {
    expect(z.toJSONSchema(CreateAlert, { io: 'input' })).toMatchObject({
      required: ['title'],
      additionalProperties: false,
    });
  });
});

describe('meantField', () => {
  it.each([
    ['dedupkey', 'dedupKey'],
    ['dedup_key', 'dedupKey'],
    ['start_at', 'startsAt'],
    ['label', 'labels'],
    ['fingerprint', 'dedupKey'],
    ['xyz', null],
    ['constructor', null],
    ['', null],
    ['x'.repeat(100_000), null],
  ])('finds the nearest name %#', (wrong, nearest) => {
    expect(meantField(wrong, Object.keys(CreateAlert.shape))).toBe(nearest);
  });
});

describe('toSignal', () => {
  it('says outright what was said outright', () => {
    const item = {
      title: 'Disk full',
      severity: 'critical',
      source: 'backup',
      description: '95 %',
      namespace: 'shop',
      labels: { host: 'db-1', source: 'overwritten', try: 2 },
      annotations: { runbook_url: 'https://runbooks.example.test/disk' },
      dedupKey: 'disk-1',
      startsAt: '2026-11-20T08:00:00+01:00',
      traceId: '463AC35C9F6413AD',
    };
    expect(signalOf(item)).toEqual({
      status: 'firing',
      tenant: '',
      fingerprint: 'disk-1',
      labels: { host: 'db-1', source: 'backup', try: '2' },
      annotations: item.annotations,
      links: [{ rel: 'runbook', url: 'https://runbooks.example.test/disk' }],
      values: null,
      startsAt: new Date('2026-11-20T07:00:00Z'),
      endsAt: null,
      expiresAt: null,
      stateReason: null,
      explicit: {
        title: 'Disk full',
        severity: 'critical',
        description: '95 %',
        namespace: 'shop',
        traceId: '463AC35C9F6413AD',
      },
    });
    expect(described(item)).toMatchObject({
      severity: 'P1',
      title: 'Disk full',
      description: '95 %',
      namespace: 'shop',
      traceId: '463ac35c9f6413ad',
      fingerprint: 'disk-1',
    });
  });

  it.each([
    ['P0', 'P0', false],
    ['p4', 'P4', false],
    ['Warning', 'P3', false],
    ['banana', 'P3', true],
    ['1', 'P3', true],
    [undefined, 'P3', true],
  ])('severity %s is %s', (severity, expected, unknownSeverity) => {
    expect(described({ title: 'x', severity })).toMatchObject({ severity: expected, unknownSeverity });
  });

  it.each<[object, string, string | null, string | null]>([
    [{}, 'firing', null, null],
    [{ endsAt: '2026-11-20T09:00:00Z' }, 'firing', null, '2026-11-20T09:00:00Z'],
    [{ endsAt: '2026-11-20T08:16:00Z' }, 'resolved', '2026-11-20T08:16:00Z', null],
    [{ startsAt: '2026-11-20T08:00:00Z', endsAt: '0001-01-01T00:00:00Z' }, 'firing', null, null],
    [{ startsAt: '2026-11-20T08:00:00Z', endsAt: '1970-01-01T00:00:00Z' }, 'firing', null, null],
    [{ startsAt: '2026-11-20T08:00:00Z', endsAt: '' }, 'firing', null, null],
    [{ startsAt: '', endsAt: '2026-11-20T08:16:00Z' }, 'resolved', '2026-11-20T08:16:00Z', null],
    [{ status: 'resolved' }, 'resolved', null, null],
    [{ status: 'resolved', endsAt: '2026-11-20T09:00:00Z' }, 'resolved', '2026-11-20T09:00:00Z', null],
    [{ status: 'resolved', endsAt: '0001-01-01T00:00:00Z' }, 'resolved', null, null],
  ])('%j', (times, status, endsAt, expiresAt) => {
    const at = (iso: string | null) => (iso === null ? null : new Date(iso));
    expect(signalOf({ title: 'x', ...times })).toMatchObject({
      status,
      endsAt: at(endsAt),
      expiresAt: at(expiresAt),
    });
  });

  it('without a key is identified by title, namespace, labels and source', () => {
    const base = {
      title: 'Disk full',
      namespace: 'shop',
      labels: { host: 'db-1', disk: 'a' },
      source: 'backup',
    };
    const same = [
      { ...base, labels: { disk: 'a', host: 'db-1' } },
      {
        ...base,
        severity: 'P0',
        description: 'x',
        status: 'resolved',
        annotations: { a: 'b' },
        startsAt: '2026-11-20T08:00:00Z',
      },
    ];
    const others = [
      { ...base, title: 'Disk full again' },
      { ...base, namespace: 'other' },
      { ...base, namespace: undefined },
      { ...base, labels: { host: 'db-2', disk: 'a' } },
      { ...base, source: 'other' },
      { ...base, namespace: undefined, labels: { ...base.labels, namespace: 'shop' } },
    ];
    const fingerprint = described(base).fingerprint;
    expect(same.map((item) => described(item).fingerprint)).toEqual([fingerprint, fingerprint]);
    expect(new Set([base, ...others].map((item) => described(item).fingerprint)).size).toBe(
      1 + others.length,
    );
  });
});
