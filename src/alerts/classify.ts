import type { Decision, Mute, Severity } from './alert.ts';
import type { AlertSignal } from './source.ts';
import type { SourceRules } from './source-rules.ts';
import { excerpt } from '../lib/found.ts';
import { label } from '../lib/labels.ts';
import { mutedSeverityWord, severityWord } from './severity-words.ts';
import { severityOfWord } from './source-rules.ts';

/**
 * What kind of alert it is: how grave, whether it is told to anybody, and
 * whether it only says that a data source is broken. Pure; the rules come from
 * `SourceRules`.
 */

/** A place that held a severity word: `label severity`, `annotation Priority`, `the request`. */
type SaidSeverity = { where: string; text: string };

export type SeverityVerdict = {
  severity: Severity;
  /** No known word: missing, empty or not in the table. Worth counting. */
  unknown: boolean;
  /** The word is "none". */
  silent: boolean;
  decision: Decision;
};

export function classifySeverity(
  signal: AlertSignal,
  rules: SourceRules,
  dataSource: DataSourceTrouble | null,
): SeverityVerdict {
  const said = saidSeverity(signal, rules);
  const known = said === null ? undefined : severityOfWord(rules, said.text);
  let severity = known ?? rules.defaultSeverity;
  let reason: string;
  if (said === null) {
    reason = `No severity was given (looked in ${rules.severityLabels.join(', ')}), so the default ${severity} holds.`;
  } else if (known === undefined) {
    reason = `The ${said.where} says ${excerpt(said.text)}, which is not in the severity table, so the default ${severity} holds.`;
  } else {
    reason = `The ${said.where} says ${excerpt(said.text)}, which means ${severity}.`;
  }
  if (dataSource !== null && severity < rules.datasourceSeverityCap) {
    reason += ` Capped at ${rules.datasourceSeverityCap}: ${dataSource.alertname} says that nothing is known, not that something is down.`;
    severity = rules.datasourceSeverityCap;
  }
  return {
    severity,
    unknown: known === undefined,
    silent: said !== null && severityWord(said.text) === mutedSeverityWord,
    decision: { stage: 'severity', outcome: severity, reason },
  };
}

function saidSeverity(signal: AlertSignal, rules: SourceRules): SaidSeverity | null {
  const outright = signal.explicit.severity;
  if (outright !== undefined && outright.trim() !== '')
    return { where: 'severity of the request', text: outright };
  return (
    saidIn(signal.labels, rules.severityLabels, 'label') ??
    saidIn(signal.annotations, rules.severityLabels, 'annotation')
  );
}

/** The first of the names, in any case, with a text. */
function saidIn(map: Record<string, string>, names: readonly string[], kind: string): SaidSeverity | null {
  for (const name of names) {
    const text = label(map, name);
    if (text !== undefined && text.trim() !== '') return { where: `${kind} ${name}`, text };
  }
  let best = names.length;
  let said: SaidSeverity | null = null;
  for (const key of Object.keys(map)) {
    const rank = names.indexOf(key.toLowerCase());
    const text = map[key] as string;
    if (rank === -1 || rank >= best || text.trim() === '') continue;
    best = rank;
    said = { where: `${kind} ${key}`, text };
  }
  return said;
}

/** A rule that Grafana could not evaluate, told by an alert of its own. */
export type DataSourceTrouble = {
  alertname: 'DatasourceError' | 'DatasourceNoData';
  rulename: string | null;
  foldKey: string;
};

/** Longest fold key; it is indexed. */
const longestFoldKey = 200;

/**
 * Recognises Grafana's DatasourceError and DatasourceNoData, which replace the
 * name of the rule (kept in `rulename`). A user's rule of the same name has
 * neither `rulename` nor `datasource_uid`. Without a known data source the rule
 * is its own fold: two rules without one need not have the same trouble.
 */
export function dataSourceTrouble(labels: Record<string, string>): DataSourceTrouble | null {
  const alertname = label(labels, 'alertname');
  if (alertname !== 'DatasourceError' && alertname !== 'DatasourceNoData') return null;
  const uid = label(labels, 'datasource_uid')?.trim();
  const rulename = label(labels, 'rulename')?.trim();
  const foldKey = uid || (rulename && `rule:${rulename}`);
  if (!foldKey) return null;
  return { alertname, rulename: rulename || null, foldKey: foldKey.slice(0, longestFoldKey) };
}

/** Why nobody is told of it, or null; a heartbeat or inhibitor is that whatever severity it carries. */
export function classifyMute(
  labels: Record<string, string>,
  rules: SourceRules,
  severity: SeverityVerdict,
): { mute: Mute; decision: Decision } | null {
  const alertname = label(labels, 'alertname');
  if (alertname !== undefined && rules.heartbeatAlertnames.includes(alertname)) {
    return muted(
      'heartbeat',
      `${alertname} fires as long as its sender is alive: its absence would be the alert.`,
    );
  }
  if (alertname !== undefined && rules.inhibitorAlertnames.includes(alertname)) {
    return muted('inhibitor', `${alertname} exists only to mute other alerts at its sender.`);
  }
  if (severity.silent)
    return muted('severity-none', 'Its severity is "none": stored, but not told to anybody.');
  return null;
}

function muted(mute: Mute, reason: string): { mute: Mute; decision: Decision } {
  return { mute, decision: { stage: 'suppression', outcome: mute, reason } };
}
