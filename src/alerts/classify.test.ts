import { describe, expect, it } from 'vitest';

import type { Labels, Severity } from './alert.ts';
import { classifyMute, classifySeverity, dataSourceTrouble } from './classify.ts';
import { defaultSourceRules } from './source-rules.ts';
import { testSignal } from '../../test/support/test-signal.ts';

const severityOf = (labels: Labels, annotations: Labels = {}, explicit = {}) =>
  classifySeverity(testSignal({ labels, annotations, explicit }), defaultSourceRules, null);

describe('classifySeverity', () => {
  const words: Record<Severity, string> = {
    P0: 'emergency emerg disaster fatal blocker p0 sev0 s0',
    P1: 'critical crit page alert p1 sev1 s1',
    P2: 'error err high major average p2 sev2 s2 medium urgent',
    P3: 'warning warn minor notify ticket task low p3 sev3 s3',
    P4: 'info information informational notice debug none ok p4 p5 sev4 sev5 s4 not_classified no_severity',
  };
  const table: [string, string][] = Object.entries(words).flatMap(([severity, list]) =>
    list.split(' ').map((word): [string, string] => [word.replace('_', ' '), severity]),
  );

  it.each(table)('reads %s as %s', (word, severity) => {
    const verdict = severityOf({ severity: word });
    expect(verdict).toMatchObject({ severity, unknown: false });
    expect(verdict.decision.reason).toBe(`The label severity says "${word}", which means ${severity}.`);
  });

  it.each(['1', '0', '9', 'banana', 'Sev 1', 'p6', '__proto__', 'constructor'])(
    'takes the unknown word %s as P3, never more',
    (word) => {
      const verdict = severityOf({ severity: word });
      expect(verdict).toMatchObject({ severity: 'P3', unknown: true, silent: false });
      expect(verdict.decision).toEqual({
        stage: 'severity',
        outcome: 'P3',
        reason: `The label severity says "${word}", which is not in the severity table, so the default P3 holds.`,
      });
    },
  );

  it('takes no word at all as P3, too', () => {
    for (const labels of [{}, { severity: '' }, { severity: ' ', level: '' }]) {
      expect(severityOf(labels)).toMatchObject({ severity: 'P3', unknown: true });
    }
    expect(severityOf({}).decision.reason).toBe(
      'No severity was given (looked in severity, priority, level, severity_level), so the default P3 holds.',
    );
  });

  it.each<[string, Labels, Labels, Severity]>([
    ['trims and ignores case', { severity: ' CRITICAL\n' }, {}, 'P1'],
    ['severity goes before priority', { priority: 'p0', severity: 'warning' }, {}, 'P3'],
    ['priority before level', { level: 'info', priority: 'P1' }, {}, 'P1'],
    ['level before severity_level', { severity_level: 'info', level: 'emergency' }, {}, 'P0'],
    ['an empty label is passed over', { severity: '', level: 'emergency' }, {}, 'P0'],
    [
      'an unknown word decides, because what follows might be higher',
      { severity: 'banana', priority: 'P0' },
      {},
      'P3',
    ],
    ['label names in any case', { Severity: 'critical' }, {}, 'P1'],
    ['order holds in any case', { LEVEL: 'info', Priority: 'high' }, {}, 'P2'],
    ['whatever comes first in the payload', { Priority: 'high', LEVEL: 'info' }, {}, 'P2'],
    ['labels go before annotations', { level: 'info' }, { severity: 'critical' }, 'P4'],
    ['annotations in any case', {}, { Priority: 'P2' }, 'P2'],
    ['a bare number in an annotation', {}, { Priority: '1' }, 'P3'],
  ])('%s', (_name, labels, annotations, severity) => {
    expect(severityOf(labels, annotations).severity).toBe(severity);
  });

  it('reads what was said outright through the same table, before any label', () => {
    expect(severityOf({ severity: 'info' }, {}, { severity: 'P0' }).severity).toBe('P0');
    expect(severityOf({ severity: 'critical' }, {}, { severity: 'whatever' })).toMatchObject({
      severity: 'P3',
      unknown: true,
    });
    expect(severityOf({ severity: 'critical' }, {}, { severity: ' ' }).severity).toBe('P1');
  });

  it('uses the table of the source', () => {
    const rules = {
      ...defaultSourceRules,
      severityLabels: ['urgency'],
      severityWords: { ...defaultSourceRules.severityWords, P0: ['1'], P4: ['1x'] },
      defaultSeverity: 'P4' as const,
    };
    const of = (word: string) =>
      classifySeverity(testSignal({ labels: { urgency: word } }), rules, null).severity;
    expect([of('1'), of('1X'), of('p0'), of('critical')]).toEqual(['P0', 'P4', 'P4', 'P1']);
  });
});

const nodata = { alertname: 'DatasourceNoData', datasource_uid: 'prom', rulename: 'Latency' };

describe('dataSourceTrouble', () => {
  it.each<[Labels, string | null]>([
    [nodata, 'prom'],
    [{ ...nodata, alertname: 'DatasourceError' }, 'prom'],
    [{ alertname: 'DatasourceError', datasource_uid: 'prom' }, 'prom'],
    [{ alertname: 'DatasourceError', rulename: 'Latency' }, 'rule:Latency'],
    [{ alertname: 'DatasourceError', rulename: 'Latency', datasource_uid: ' ' }, 'rule:Latency'],
    [{ alertname: 'DatasourceError' }, null],
    [{ alertname: 'Latency', datasource_uid: 'prom', rulename: 'x' }, null],
    [{}, null],
  ])('%j folds by %s', (labels, foldKey) => {
    expect(dataSourceTrouble(labels)?.foldKey ?? null).toBe(foldKey);
  });

  it('keeps the fold key short enough for an index', () => {
    expect(dataSourceTrouble({ ...nodata, datasource_uid: 'x'.repeat(5_000) })?.foldKey).toHaveLength(200);
  });

  it.each<[string, Severity]>([
    ['critical', 'P2'],
    ['p0', 'P2'],
    ['error', 'P2'],
    ['warning', 'P3'],
    ['info', 'P4'],
    ['none such', 'P3'],
  ])('caps the severity %s to %s', (word, severity) => {
    const signal = testSignal({ labels: { ...nodata, severity: word } });
    expect(classifySeverity(signal, defaultSourceRules, dataSourceTrouble(signal.labels)).severity).toBe(
      severity,
    );
  });
});

describe('classifyMute', () => {
  it.each<[Labels, string | null]>([
    [{ alertname: 'Watchdog', severity: 'none' }, 'heartbeat'],
    [{ alertname: 'Watchdog', severity: 'critical' }, 'heartbeat'],
    [{ alertname: 'InfoInhibitor', severity: 'none' }, 'inhibitor'],
    [{ alertname: 'Other', severity: 'None' }, 'severity-none'],
    [{ alertname: 'Other', severity: 'info' }, null],
    [{ alertname: 'Other' }, null],
    [{ alertname: 'watchdog' }, null],
    [{}, null],
  ])('%j is %s', (labels, mute) => {
    const verdict = classifySeverity(testSignal({ labels }), defaultSourceRules, null);
    const muted = classifyMute(labels, defaultSourceRules, verdict);
    expect(muted?.mute ?? null).toBe(mute);
    if (muted !== null) expect(muted.decision).toMatchObject({ stage: 'suppression', outcome: mute });
  });
});
