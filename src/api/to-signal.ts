import type { AlertSignal } from '../alerts/source.ts';
import type { CreateAlert } from './contract/create-alert.ts';
import { label, readLabels, setLabel } from '../lib/labels.ts';
import { timeOrNull } from '../lib/times.ts';
import { webLinks } from '../alerts/web-link.ts';

/**
 * An alert of the REST API as a signal. What the sender says outright (title,
 * severity, namespace …) goes before our rules. Identity is `dedupKey`; without
 * it the fingerprint is left to `describeSignal`, which takes title, namespace
 * and labels, so that a resolve finds its alert when these are repeated.
 */
export function toSignal(item: CreateAlert, receivedAt: Date): AlertSignal {
  const labels = textMap(item.labels);
  if (item.source) setLabel(labels, 'source', item.source.toWellFormed());
  const annotations = textMap(item.annotations);
  const endsAt = timeOrNull(item.endsAt);
  const over = item.status === 'resolved' || (endsAt !== null && endsAt <= receivedAt);
  return {
    status: over ? 'resolved' : 'firing',
    tenant: '',
    fingerprint: item.dedupKey?.toWellFormed() ?? null,
    labels,
    annotations,
    links: webLinks([
      ['source', label(annotations, 'source_url')],
      ['dashboard', label(annotations, 'dashboard_url')],
      ['runbook', label(annotations, 'runbook_url')],
      ['runbook', label(annotations, 'runbook')],
    ]),
    values: null,
    startsAt: timeOrNull(item.startsAt),
    endsAt: over ? endsAt : null,
    expiresAt: over ? null : endsAt,
    stateReason: null,
    explicit: {
      title: item.title.toWellFormed(),
      ...given('description', item.description),
      ...given('namespace', item.namespace),
      ...given('severity', item.severity),
      ...given('traceId', item.traceId),
    },
  };
}

/** A copy of its own: the label `source` is added to it. */
function textMap(map: CreateAlert['labels']): Record<string, string> {
  const read = readLabels(map, 'labels');
  return read.ok ? { ...read.labels } : {};
}

function given<Name extends string>(name: Name, value: string | null | undefined): { [N in Name]?: string } {
  return (value ? { [name]: value.toWellFormed() } : {}) as { [N in Name]?: string };
}
