import type { Decision, Labels, Mute, Severity, SourceName } from './alert.ts';
import type { AlertSignal } from './source.ts';
import type { DataSourceTrouble } from './classify.ts';
import type { SourceRules } from './source-rules.ts';
import { classifyMute, classifySeverity, dataSourceTrouble } from './classify.ts';
import { excerpt } from '../lib/found.ts';
import { label } from '../lib/labels.ts';
import { labelsFingerprint, storableFingerprint } from './fingerprint.ts';
import { findTraceIds } from './trace-ids.ts';

/** A signal after our rules: everything of an alert that can be known without the database. */
export type DescribedSignal = Omit<AlertSignal, 'fingerprint' | 'explicit'> & {
  fingerprint: string;
  severity: Severity;
  /** No word of the severity table settled the severity (missing, empty, unknown): for a metric. */
  unknownSeverity: boolean;
  /** One line, never empty. */
  title: string;
  description: string;
  namespace: string | null;
  traceId: string | null;
  traceIds: string[];
  mute: Mute | null;
  foldKey: string | null;
  /** In the order of the rules. */
  decisions: Decision[];
};

/**
 * Applies the rules of a source to one signal. Pure, never throws, and cheap:
 * it runs for every alert of every request. The maps of the signal are shared,
 * not copied.
 */
export function describeSignal(
  signal: AlertSignal,
  rules: SourceRules,
  sourceName: SourceName,
): DescribedSignal {
  const trouble = dataSourceTrouble(signal.labels);
  const identity = identify(signal, rules, sourceName);
  const severity = classifySeverity(signal, rules, trouble);
  const namespace = findNamespace(signal, rules);
  const title = findTitle(signal, trouble, identity.fingerprint);
  const traces = findTraceIds(signal);
  const mute = classifyMute(signal.labels, rules, severity);

  const decisions = [identity.decision, severity.decision, namespace.decision, title.decision];
  if (signal.stateReason !== null) decisions.push(stateReasonDecision(signal));
  if (traces[0] !== undefined) {
    const others = traces.length === 1 ? '' : ` ${traces.length - 1} more were found.`;
    decisions.push({
      stage: 'trace',
      outcome: traces[0].id,
      reason: `Trace id from ${excerptName(traces[0].where)}.${others}`,
    });
  }
  if (trouble !== null) decisions.push(foldDecision(trouble));
  if (mute !== null) decisions.push(mute.decision);

  return {
    status: signal.status,
    tenant: signal.tenant,
    fingerprint: identity.fingerprint,
    labels: signal.labels,
    annotations: signal.annotations,
    links: signal.links,
    values: signal.values,
    startsAt: signal.startsAt,
    endsAt: signal.endsAt,
    expiresAt: signal.expiresAt,
    expiryGuessed: signal.expiryGuessed,
    stateReason: signal.stateReason,
    severity: severity.severity,
    unknownSeverity: severity.unknown,
    title: title.title,
    description: findDescription(signal, trouble),
    namespace: namespace.namespace,
    traceId: traces[0]?.id ?? null,
    traceIds: traces.map((trace) => trace.id),
    mute: mute?.mute ?? null,
    foldKey: trouble?.foldKey ?? null,
    decisions,
  };
}

/**
 * A sent fingerprint is opaque and kept, with one exception: Alertmanager's
 * covers all labels and can be computed again, so that the twins of a
 * replicated Prometheus become one alert. Grafana's also covers labels it does
 * not send and must stay as it is.
 */
function identify(
  signal: AlertSignal,
  rules: SourceRules,
  source: SourceName,
): { fingerprint: string; decision: Decision } {
  const replica = rules.replicaLabels.find((name) => Object.hasOwn(signal.labels, name));
  if (
    signal.fingerprint !== null &&
    signal.fingerprint !== '' &&
    !(source === 'alertmanager' && replica !== undefined)
  ) {
    const fingerprint = storableFingerprint(signal.fingerprint);
    const how =
      fingerprint === signal.fingerprint
        ? 'as the sender gave it'
        : 'hashed, because the one sent is too long to index';
    return {
      fingerprint,
      decision: { stage: 'dedup', outcome: fingerprint, reason: `The fingerprint is kept ${how}.` },
    };
  }
  const { title, namespace } = signal.explicit;
  const fingerprint = labelsFingerprint(withOutright(signal.labels, title, namespace), rules.replicaLabels);
  const from = title === undefined ? 'the labels' : 'title, namespace and labels';
  const without = replica === undefined ? '' : ` without the replica label ${excerptName(replica)}`;
  return {
    fingerprint,
    decision: {
      stage: 'dedup',
      outcome: fingerprint,
      reason: `The fingerprint was computed from ${from}${without}.`,
    },
  };
}

/**
 * The labels, and what was said outright beside them: a title is all that some
 * senders tell their alerts apart by. U+0000 in front of the names keeps them
 * from meeting a label. Alertmanager's alerts have neither, so that theirs is
 * Alertmanager's own fingerprint.
 */
function withOutright(labels: Labels, title: string | undefined, namespace: string | undefined): Labels {
  if (title === undefined && namespace === undefined) return labels;
  return {
    ...labels,
    ...(title === undefined ? {} : { '\u0000title': title.trim() }),
    ...(namespace === undefined ? {} : { '\u0000namespace': namespace.trim() }),
  };
}

/** Kubernetes allows 63 characters; the column is indexed. */
const longestNamespace = 253;

function findNamespace(
  signal: AlertSignal,
  rules: SourceRules,
): { namespace: string | null; decision: Decision } {
  const outright = signal.explicit.namespace?.trim();
  if (outright) return namespaceFrom(outright, 'said in the request');
  for (const name of rules.namespaceLabels) {
    const text = label(signal.labels, name)?.trim();
    if (text) return namespaceFrom(text, `from the label ${name}`);
  }
  const reason = `None of the labels ${rules.namespaceLabels.join(', ')} names a namespace.`;
  return { namespace: null, decision: { stage: 'namespace', outcome: 'none', reason } };
}

function namespaceFrom(text: string, where: string): { namespace: string; decision: Decision } {
  const namespace = cut(text, longestNamespace);
  return {
    namespace,
    decision: { stage: 'namespace', outcome: namespace, reason: `The namespace is ${where}.` },
  };
}

/** Longest title found by rule; one that was said outright has its own limit at the door. */
const longestTitle = 500;
const longestOutrightTitle = 1_000;

function findTitle(
  signal: AlertSignal,
  trouble: DataSourceTrouble | null,
  fingerprint: string,
): { title: string; decision: Decision } {
  const outright = oneLine(signal.explicit.title, longestOutrightTitle);
  if (outright !== '') return titleFrom(outright, 'said by the sender');
  const { labels, annotations } = signal;
  const rulename = oneLine(label(labels, 'rulename'), longestTitle);
  if (trouble !== null && rulename !== '') {
    const what = trouble.alertname === 'DatasourceNoData' ? 'no data' : 'cannot be evaluated';
    return titleFrom(
      cut(`${rulename}: ${what}`, longestTitle),
      `the name of the rule, because ${trouble.alertname} is not what the rule watches`,
    );
  }
  const summary = oneLine(label(annotations, 'summary'), longestTitle);
  if (summary !== '') return titleFrom(summary, 'the annotation summary');
  const name = rulename || oneLine(label(labels, 'alertname'), longestTitle);
  if (name !== '') {
    const where = oneLine(label(labels, 'instance') || label(labels, 'pod'), longestTitle);
    return titleFrom(
      where === '' ? name : cut(`${name} (${where})`, longestTitle),
      'the name of the rule and where it fires',
    );
  }
  const titleAnnotation = oneLine(label(annotations, 'title'), longestTitle);
  if (titleAnnotation !== '') return titleFrom(titleAnnotation, 'the annotation title');
  return titleFrom(
    oneLine(`Untitled alert ${fingerprint}`, longestTitle),
    'the fingerprint: no summary, no name and no title was sent',
  );
}

function titleFrom(title: string, what: string): { title: string; decision: Decision } {
  return { title, decision: { stage: 'title', outcome: title, reason: `The title is ${what}.` } };
}

const descriptionAnnotations = ['description', 'message', 'details'];

function findDescription(signal: AlertSignal, trouble: DataSourceTrouble | null): string {
  if (signal.explicit.description !== undefined) return signal.explicit.description;
  // What went wrong at the data source, when Grafana says so (it often does not).
  const error = trouble === null ? undefined : label(signal.annotations, 'Error');
  if (error) return error;
  for (const name of descriptionAnnotations) {
    const text = label(signal.annotations, name);
    if (text) return text;
  }
  return '';
}

function stateReasonDecision(signal: AlertSignal): Decision {
  const reason = excerpt(signal.stateReason ?? '');
  return {
    stage: 'parse',
    outcome: `${signal.status}: ${reason}`,
    reason: `The source reports it ${signal.status} because of ${reason}, which need not mean that the condition changed.`,
  };
}

function foldDecision(trouble: DataSourceTrouble): Decision {
  return {
    stage: 'grouping',
    outcome: trouble.foldKey,
    reason: `${trouble.alertname} alerts of one data source share one message.`,
  };
}

function excerptName(name: string): string {
  return name.length <= 80 ? name : excerpt(name, 80);
}

function oneLine(text: string | undefined, max: number): string {
  if (text === undefined) return '';
  // Only what can matter is looked at, so that a megabyte of text costs no more than a line.
  return cut(
    text
      .slice(0, 4 * max)
      .replace(/\s+/g, ' ')
      .trim(),
    max,
  );
}

/** At most `max` UTF-16 units, an ellipsis for the rest, never half a surrogate pair. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const end = /[\ud800-\udbff]/.test(text.charAt(max - 2)) ? max - 2 : max - 1;
  return `${text.slice(0, end)}…`;
}
