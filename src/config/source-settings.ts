import { z } from 'zod';
import { severities, type SourceName } from '../alerts/alert.ts';
import { severityWord } from '../alerts/severity-words.ts';
import { defaultSourceRules, type SourceRules } from '../alerts/source-rules.ts';
import { HeaderName, listOf, Severity, Word } from './setting-types.ts';

const SeverityWords = z
  .strictObject({
    P0: listOf(Word).prefault([]).describe('Words that mean P0.'),
    P1: listOf(Word).prefault([]).describe('Words that mean P1.'),
    P2: listOf(Word).prefault([]).describe('Words that mean P2.'),
    P3: listOf(Word).prefault([]).describe('Words that mean P3.'),
    P4: listOf(Word).prefault([]).describe('Words that mean P4.'),
  })
  .superRefine((words, context) => {
    const seen = new Map<string, string>();
    for (const severity of severities) {
      for (const word of words[severity].map(severityWord)) {
        const other = seen.get(word);
        if (other !== undefined && other !== severity) {
          context.addIssue({
            code: 'custom',
            path: [severity],
            message: `"${word}" under one severity only; it is under ${other} too`,
          });
        }
        seen.set(word, severity);
      }
    }
  });

function commonSettings(defaults: { resolveTimeoutSeconds: number | null; staleSeconds: number | null }) {
  const rules = defaultSourceRules;
  return {
    severity: z
      .strictObject({
        labels: listOf(Word)
          .prefault(rules.severityLabels)
          .describe(
            'Labels, then annotations, that may hold a severity word; the first that is not empty decides.',
          ),
        words: SeverityWords.prefault({}).describe(
          'Severity words beside the built-in table. A word listed here leaves its place in that table. Case does not count.',
        ),
        default: Severity.default(rules.defaultSeverity).describe('For a word that is missing or unknown.'),
      })
      .prefault({})
      .describe('How severity is found.'),
    namespaceLabels: listOf(Word)
      .prefault(rules.namespaceLabels)
      .describe('Labels that may hold the namespace of the workload, best first.'),
    replicaLabels: listOf(Word)
      .prefault(rules.replicaLabels)
      .describe(
        'Labels that tell the replicas of one Prometheus apart; they are not part of the identity of an alert.',
      ),
    datasourceSeverityCap: Severity.default(rules.datasourceSeverityCap).describe(
      'The gravest severity of DatasourceError and DatasourceNoData, which only say that nothing is known.',
    ),
    heartbeatAlertnames: listOf(Word)
      .prefault(rules.heartbeatAlertnames)
      .describe('Alerts that always fire while their sender lives: stored, never told.'),
    heartbeatSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .nullable()
      .default(null)
      .describe('Raise an alert when no heartbeat arrived for so long; null: never.'),
    inhibitorAlertnames: listOf(Word)
      .prefault(rules.inhibitorAlertnames)
      .describe('Alerts that exist only to mute others at the sender: stored, never told.'),
    resolveTimeoutSeconds: z
      .int()
      .min(1)
      .max(604_800)
      .nullable()
      .default(defaults.resolveTimeoutSeconds)
      .describe(
        'How long an alert without an end is believed when nothing more is heard of it; null: until it is resolved.',
      ),
    staleSeconds: z
      .int()
      .min(60)
      .max(2_592_000)
      .nullable()
      .default(defaults.staleSeconds)
      .describe(
        'An open alert without an end of which nothing is heard for so long is marked as stale, and people are reminded once; null: never.',
      ),
  };
}

/** Twice the repeat interval of Grafana and Alertmanager (4 h), and an hour for what lies on the way. */
const staleSeconds = 32_400;

const CommonSource = z.strictObject(commonSettings({ resolveTimeoutSeconds: null, staleSeconds: null }));

export const SourcesSettings = z.strictObject({
  grafana: z
    .strictObject({
      ...commonSettings({ resolveTimeoutSeconds: null, staleSeconds }),
      signatureHeader: HeaderName.default('X-Grafana-Alerting-Signature').describe(
        'Header with the HMAC signature, as in the contact point. GRAFANA_SIGNATURE_HEADER.',
      ),
      timestampHeader: HeaderName.nullable()
        .default(null)
        .describe(
          'Header with the signed time, as in the contact point; null: none is sent. GRAFANA_TIMESTAMP_HEADER.',
        ),
      timestampToleranceSeconds: z
        .int()
        .min(1)
        .max(3_600)
        .default(300)
        .describe('How far the signed time may be from ours.'),
    })
    .prefault({})
    .describe('Grafana webhooks.'),
  alertmanager: z
    .strictObject(commonSettings({ resolveTimeoutSeconds: 300, staleSeconds }))
    .prefault({})
    .describe('Alertmanager webhooks, and the Alertmanager API for Prometheus.'),
  api: CommonSource.prefault({}).describe('POST /api/v1/alerts.'),
  kubernetes: CommonSource.prefault({}).describe('What the cluster watcher finds.'),
  'health-check': CommonSource.prefault({}).describe('Health checks.'),
});

type CommonSourceSettings = z.output<typeof CommonSource>;

/** The rules of one source as the domain reads them: the built-in word table with the operator's words moved to their place. */
export function sourceRulesOf(sources: z.output<typeof SourcesSettings>, name: SourceName): SourceRules {
  const source: CommonSourceSettings = sources[name];
  const chosen = new Set(severities.flatMap((severity) => source.severity.words[severity].map(severityWord)));
  const words = (severity: (typeof severities)[number]): string[] => [
    ...defaultSourceRules.severityWords[severity].filter((word) => !chosen.has(severityWord(word))),
    ...source.severity.words[severity],
  ];
  return {
    severityLabels: source.severity.labels,
    severityWords: { P0: words('P0'), P1: words('P1'), P2: words('P2'), P3: words('P3'), P4: words('P4') },
    defaultSeverity: source.severity.default,
    namespaceLabels: source.namespaceLabels,
    replicaLabels: source.replicaLabels,
    datasourceSeverityCap: source.datasourceSeverityCap,
    heartbeatAlertnames: source.heartbeatAlertnames,
    inhibitorAlertnames: source.inhibitorAlertnames,
  };
}
