import type { Severity } from './alert.ts';
import { severities } from './alert.ts';
import { defaultSeverityWords, severityWord } from './severity-words.ts';

/** How the alerts of one source are read. Settings may replace any part. */
export type SourceRules = {
  /** Labels, then annotations, that may hold a severity word; the first that is not empty decides. */
  severityLabels: string[];
  severityWords: Record<Severity, string[]>;
  /** For a word that is missing or unknown. Never guessed upwards, so never above P3 by default. */
  defaultSeverity: Severity;
  /** Labels that may hold the workload's namespace, best first: the exporter's own is often in `namespace`. */
  namespaceLabels: string[];
  /** Labels that tell the replicas of one Prometheus apart; not part of an alert's identity. */
  replicaLabels: string[];
  /** The gravest severity of DatasourceError and DatasourceNoData: they say that nothing is known. */
  datasourceSeverityCap: Severity;
  /** Always firing while their sender is alive. */
  heartbeatAlertnames: string[];
  /** Exist only to mute others at the sender. */
  inhibitorAlertnames: string[];
};

export const defaultSourceRules: SourceRules = {
  severityLabels: ['severity', 'priority', 'level', 'severity_level'],
  severityWords: defaultSeverityWords,
  defaultSeverity: 'P3',
  namespaceLabels: ['exported_namespace', 'namespace', 'kubernetes_namespace', 'ns'],
  replicaLabels: ['prometheus_replica', '__replica__'],
  datasourceSeverityCap: 'P2',
  heartbeatAlertnames: ['Watchdog'],
  inhibitorAlertnames: ['InfoInhibitor'],
};

const wordTables = new WeakMap<SourceRules, Map<string, Severity>>();

/** The severity of a word, or undefined when the source's table does not know it. A word listed twice has its lesser severity. */
export function severityOfWord(rules: SourceRules, text: string): Severity | undefined {
  let table = wordTables.get(rules);
  if (table === undefined) {
    table = new Map();
    for (const severity of severities) {
      for (const word of rules.severityWords[severity]) table.set(severityWord(word), severity);
    }
    wordTables.set(rules, table);
  }
  return table.get(severityWord(text));
}
