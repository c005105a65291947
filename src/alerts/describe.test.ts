import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { AlertSignal } from './source.ts';
import type { SourceName } from './alert.ts';
import { defaultSourceRules } from './source-rules.ts';
import { describeSignal } from './describe.ts';
import { labelsFingerprint } from './fingerprint.ts';
import { testSignal } from '../../test/support/test-signal.ts';

const described = (parts: Partial<AlertSignal>, source: SourceName = 'grafana') =>
  describeSignal(testSignal(parts), defaultSourceRules, source);

describe('title', () => {
  const labels = { alertname: 'InstanceDown', instance: 'a:9090' };
  const nodata = { alertname: 'DatasourceNoData', datasource_uid: 'prom', rulename: 'Latency' };

  it.each<[string, Partial<AlertSignal>, string]>([
    ['the summary', { labels, annotations: { summary: 'Instance down', title: 'x' } }, 'Instance down'],
    ['one trimmed line', { labels, annotations: { summary: '  Instance\n\t down ' } }, 'Instance down'],
    ['name and instance', { labels, annotations: { summary: ' ', title: 'x' } }, 'InstanceDown (a:9090)'],
    ['name and pod', { labels: { alertname: 'CrashLoop', pod: 'api-0' } }, 'CrashLoop (api-0)'],
    ['the name alone', { labels: { alertname: 'CrashLoop' } }, 'CrashLoop'],
    ['rulename goes before alertname', { labels: { ...labels, rulename: 'Down' } }, 'Down (a:9090)'],
    ['the annotation title', { labels: { job: 'x' }, annotations: { title: 'Something' } }, 'Something'],
    [
      'what was said outright goes first',
      { labels, annotations: { summary: 'x' }, explicit: { title: ' Disk\nfull ' } },
      'Disk full',
    ],
    [
      'the rule that has no data',
      { labels: nodata, annotations: { summary: 'p99 above 2s' } },
      'Latency: no data',
    ],
    [
      'the rule that has an error',
      { labels: { ...nodata, alertname: 'DatasourceError' } },
      'Latency: cannot be evaluated',
    ],
    ['never nothing', { fingerprint: 'abc' }, 'Untitled alert abc'],
    ['one line even then', { fingerprint: 'a\nb' }, 'Untitled alert a b'],
  ])('%s', (_name, parts, title) => {
    expect(described(parts).title).toBe(title);
  });

  it('is cut to 500 characters, never through a surrogate pair', () => {
    const title = described({ annotations: { summary: `${'x'.repeat(498)}🔥🔥` } }).title;
    expect(title).toBe(`${'x'.repeat(498)}…`);
    expect(described({ annotations: { summary: 'x'.repeat(500) } }).title).toBe('x'.repeat(500));
    expect(described({ annotations: { summary: 'x'.repeat(5_000_000) } }).title).toHaveLength(500);
    expect(described({ explicit: { title: 'x'.repeat(1_000) } }).title).toBe('x'.repeat(1_000));
  });

  it('says which rule found it', () => {
    const { decisions } = described({ annotations: { summary: 'Down' } });
    expect(decisions).toContainEqual({
      stage: 'title',
      outcome: 'Down',
      reason: 'The title is the annotation summary.',
    });
  });
});

describe('description', () => {
  it.each<[Partial<AlertSignal>, string]>([
    [{ annotations: { description: 'a', message: 'b', details: 'c' } }, 'a'],
    [{ annotations: { description: '', message: 'b\nb', details: 'c' } }, 'b\nb'],
    [{ annotations: { details: 'c' } }, 'c'],
    [{ annotations: { summary: 's' } }, ''],
    [{ annotations: { description: 'a' }, explicit: { description: 'outright' } }, 'outright'],
    [
      {
        labels: { alertname: 'DatasourceError', datasource_uid: 'p' },
        annotations: { description: 'a', Error: 'timeout' },
      },
      'timeout',
    ],
    [{ labels: { alertname: 'Other' }, annotations: { description: 'a', Error: 'timeout' } }, 'a'],
  ])('of %j', (parts, description) => {
    expect(described(parts).description).toBe(description);
  });
});

describe('namespace', () => {
  it.each<[Partial<AlertSignal>, string | null]>([
    [{ labels: { ns: 'd', kubernetes_namespace: 'c', namespace: 'b', exported_namespace: 'a' } }, 'a'],
    [{ labels: { ns: 'd', kubernetes_namespace: 'c', namespace: 'b' } }, 'b'],
    [{ labels: { ns: 'd', kubernetes_namespace: 'c', namespace: '' } }, 'c'],
    [{ labels: { ns: ' d ' } }, 'd'],
    [{ labels: { Namespace: 'a', project: 'b' } }, null],
    [{ labels: { namespace: 'b' }, explicit: { namespace: 'outright' } }, 'outright'],
  ])('of %j is %s', (parts, namespace) => {
    const result = described(parts);
    expect(result.namespace).toBe(namespace);
    expect(result.decisions.filter((decision) => decision.stage === 'namespace')).toHaveLength(1);
  });
});

describe('fingerprint', () => {
  const labels = { alertname: 'Down', prometheus_replica: 'prometheus-0' };
  const twin = labelsFingerprint({ alertname: 'Down' });

  it('is kept as sent, opaque', () => {
    expect(described({ fingerprint: 'gmp-test-alert-12345', labels }).fingerprint).toBe(
      'gmp-test-alert-12345',
    );
  });

  it('is computed when missing', () => {
    expect(described({ labels: { alertname: 'Down' } }).fingerprint).toBe(twin);
    expect(described({ labels }).fingerprint).toBe(twin);
  });

  it('of replicated Prometheus servers is one at Alertmanager, whose hash can be computed, and left alone at Grafana', () => {
    expect(described({ fingerprint: 'aaaa', labels }, 'alertmanager').fingerprint).toBe(twin);
    expect(
      described({ fingerprint: 'aaaa', labels: { alertname: 'Down' } }, 'alertmanager').fingerprint,
    ).toBe('aaaa');
    expect(described({ fingerprint: 'aaaa', labels }, 'grafana').fingerprint).toBe('aaaa');
  });

  it('covers title and namespace where these were said outright, and severity never', () => {
    const of = (explicit: AlertSignal['explicit']) =>
      described({ labels: { a: 'b' }, explicit }, 'api').fingerprint;
    expect(of({ title: 'Disk full', severity: 'P0' })).toBe(of({ title: ' Disk full', description: 'x' }));
    expect(
      new Set([
        of({}),
        of({ title: 'Disk full' }),
        of({ title: 'Other' }),
        of({ title: 'Disk full', namespace: 'x' }),
      ]).size,
    ).toBe(4);
  });

  it('too long for an index is hashed', () => {
    expect(described({ fingerprint: 'x'.repeat(5_000) }).fingerprint).toMatch(/^sha256:/);
  });
});

describe('describeSignal', () => {
  it('puts everything together', () => {
    const signal = testSignal({
      tenant: '1',
      fingerprint: 'c50ae7bba42b3626',
      labels: {
        alertname: 'DatasourceNoData',
        rulename: 'Latency',
        datasource_uid: 'prom',
        severity: 'critical',
        namespace: 'shop',
      },
      annotations: { trace_id: 'ABCDEF0123456789', description: 'p99', grafana_state_reason: 'NoData' },
      stateReason: 'NoData',
      values: { A: 1 },
    });
    const { decisions, ...rest } = describeSignal(signal, defaultSourceRules, 'grafana');
    const { explicit: _, ...kept } = signal;
    expect(rest).toEqual({
      ...kept,
      severity: 'P2',
      unknownSeverity: false,
      title: 'Latency: no data',
      description: 'p99',
      namespace: 'shop',
      traceId: 'abcdef0123456789',
      traceIds: ['abcdef0123456789'],
      mute: null,
      foldKey: 'prom',
    });
    expect(decisions.map(({ stage, outcome }) => [stage, outcome])).toEqual([
      ['dedup', 'c50ae7bba42b3626'],
      ['severity', 'P2'],
      ['namespace', 'shop'],
      ['title', 'Latency: no data'],
      ['parse', 'firing: "NoData"'],
      ['trace', 'abcdef0123456789'],
      ['grouping', 'prom'],
    ]);
  });

  it('mutes and flags', () => {
    expect(described({ labels: { alertname: 'Watchdog', severity: 'none' } })).toMatchObject({
      mute: 'heartbeat',
      severity: 'P4',
      unknownSeverity: false,
    });
    expect(described({ labels: { severity: '1' } })).toMatchObject({
      mute: null,
      severity: 'P3',
      unknownSeverity: true,
    });
  });

  it('never throws, always has a title, always says why', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('none', 'critical', 'DatasourceError', 'https://a/trace/', '%'),
    );
    const name = fc.oneof(
      text,
      fc.constantFrom(
        'alertname',
        'severity',
        'Priority',
        'rulename',
        'datasource_uid',
        'traceparent',
        'dd.trace_id',
        'b3',
        '__proto__',
      ),
    );
    const map = fc.dictionary(name, text);
    fc.assert(
      fc.property(
        map,
        map,
        fc.option(text),
        fc.record({ title: text, severity: text, traceId: text }, { requiredKeys: [] }),
        (labels, annotations, fingerprint, explicit) => {
          const result = described({ labels, annotations, fingerprint, explicit }, 'alertmanager');
          expect(result.title.trim()).not.toBe('');
          expect(result.title).not.toMatch(/\n/);
          expect(result.fingerprint).not.toBe('');
          expect(
            result.decisions.every(
              (decision) => decision.reason.endsWith('.') || decision.reason.endsWith('…'),
            ),
          ).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});
