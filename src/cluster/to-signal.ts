import { labelsFingerprint } from '../alerts/fingerprint.ts';
import type { AlertSignal } from '../alerts/source.ts';
import type { ClusterView, KubeObject } from './cluster-view.ts';
import { refOf } from './condition.ts';
import type { Fire, Finding } from './engine.ts';
import { ownerChain } from './owners.ts';
import { podFacts } from './pod-facts.ts';
import { readEvent } from './scene.ts';

/** What is handed in because it has to be asked for. */
export type Enrichment = {
  /** The last lines a crashed container wrote, bounded and with secrets masked by whoever read them. */
  logs: string | null;
};

const mostListed = 20;
const mostEvents = 5;
const longestDescription = 4_000;

/**
 * The alert of a finding. Its fingerprint is cluster, namespace, workload, reason
 * and container (guard G12): pods come and go inside it.
 */
export function firingSignal(
  fire: Pick<Fire, 'finding' | 'secondaries'>,
  context: { cluster: string; view: ClusterView; enrichment?: Enrichment },
): AlertSignal {
  const { finding, secondaries } = fire;
  const { condition } = finding;
  const details = detailsOf(finding, context.view);
  const parts = [condition.description];
  if (secondaries.length > 0) {
    const names = secondaries.slice(0, mostListed).map((one) => `- ${one.condition.title}`);
    if (secondaries.length > mostListed) names.push(`- and ${secondaries.length - mostListed} more`);
    parts.push(`Explained by this:\n${names.join('\n')}`);
  }
  if (details.events !== '') parts.push(`Events:\n${details.events}`);
  const logs = context.enrichment?.logs ?? '';
  if (logs !== '') parts.push(`Last log lines:\n${logs}`);
  const description = parts.filter((part) => part !== '').join('\n\n');
  return {
    ...signalOf(finding, context.cluster),
    status: 'firing',
    annotations: {
      ...annotate('pods', condition.pods.slice(0, mostListed).join(', ')),
      ...annotate('nodes', condition.nodes.slice(0, mostListed).join(', ')),
      ...annotate('owners', details.owners),
      ...annotate('restarts', details.restarts),
      ...annotate('events', details.events),
      ...annotate('logs', logs),
      ...annotate(
        'secondaries',
        secondaries
          .map(({ key }) => key)
          .slice(0, mostListed)
          .join(', '),
      ),
    },
    values: condition.pods.length > 0 ? { pods: condition.pods.length } : null,
    startsAt: startOf(finding),
    explicit: {
      ...signalOf(finding, context.cluster).explicit,
      description: description.slice(0, longestDescription),
      severity: finding.severity ?? 'P3',
    },
  };
}

export function resolvedSignal(finding: Finding, context: { cluster: string; now: Date }): AlertSignal {
  return {
    ...signalOf(finding, context.cluster),
    status: 'resolved',
    startsAt: startOf(finding),
    // It was last seen broken when the hold-down began.
    endsAt: finding.absentSince ?? context.now,
    explicit: {
      ...signalOf(finding, context.cluster).explicit,
      description: finding.condition.description.slice(0, longestDescription),
      severity: finding.severity ?? 'P3',
    },
  };
}

/** A new episode of the same trouble begins after the end of the one before it. */
function startOf(finding: Finding): Date {
  const { firedAt, since, flips } = finding;
  return flips.length > 0 && firedAt !== null ? firedAt : since;
}

function signalOf(finding: Finding, cluster: string): AlertSignal {
  const { condition } = finding;
  const { namespace } = condition.subject;
  const identity = {
    cluster,
    workload: `${condition.subject.kind}/${condition.subject.name}`,
    reason: condition.reason,
    ...(namespace === null ? {} : { namespace }),
    ...(condition.container === null ? {} : { container: condition.container }),
  };
  const [node] = condition.nodes;
  const [pod] = condition.pods;
  return {
    status: 'firing',
    tenant: '',
    fingerprint: labelsFingerprint(identity),
    labels: {
      ...condition.labels,
      ...identity,
      alertname: condition.reason,
      rule: condition.rule,
      kind: condition.subject.kind,
      [labelOfKind(condition.subject.kind)]: condition.subject.name,
      ...(condition.nodes.length === 1 && node !== undefined ? { node } : {}),
      ...(condition.pods.length === 1 && pod !== undefined && condition.subject.kind !== 'Node'
        ? { pod }
        : {}),
    },
    annotations: {},
    links: [],
    values: null,
    startsAt: null,
    endsAt: null,
    expiresAt: null,
    stateReason: null,
    explicit: {
      title: finding.flapping ? `${condition.title} (flapping)` : condition.title,
      description: condition.description,
      ...(namespace === null ? {} : { namespace }),
    },
  };
}

/** Deployment to `deployment`, as Prometheus' rules call it, so that routes fit both. */
function labelOfKind(kind: string): string {
  return kind.toLowerCase();
}

function annotate(name: string, value: string): Record<string, string> {
  return value === '' ? {} : { [name]: value };
}

/** What the view knows beside the finding: who owns the pods, how often they restarted, what happened lately. */
function detailsOf(finding: Finding, view: ClusterView) {
  const { condition } = finding;
  const { namespace } = condition.subject;
  const pods =
    namespace === null
      ? []
      : condition.pods
          .slice(0, mostListed)
          .map((name) => view.get('pods', namespace, name))
          .filter((pod): pod is KubeObject => pod !== undefined);
  const [first] = pods;
  const owners =
    first === undefined
      ? ''
      : [
          `Pod/${first.metadata.name}`,
          ...ownerChain(view, first).map((one) => `${one.kind}/${one.name}`),
        ].join(' -> ');
  const restarts = pods
    .map((pod) => ({ name: pod.metadata.name, times: restartsOf(pod) }))
    .filter(({ times }) => times > 0)
    .map(({ name, times }) => `${name}: ${times}`)
    .join(', ');
  const about = new Set([
    refOf(condition.subject),
    ...pods.map((pod) => `Pod/${namespace ?? '-'}/${pod.metadata.name}`),
  ]);
  const events = view
    .list('events')
    .map(readEvent)
    .filter((event) => about.has(refOf(event.about)))
    .toSorted((a, b) => b.at.getTime() - a.at.getTime())
    .slice(0, mostEvents)
    .map(
      (event) =>
        `${event.at.toISOString()} ${event.type} ${event.reason} (${event.count}x): ${event.message.trim().slice(0, 300)}`,
    )
    .join('\n');
  return { owners, restarts, events };
}

function restartsOf(pod: KubeObject): number {
  return podFacts(pod).containers.reduce((sum, { restarts }) => sum + restarts, 0);
}
