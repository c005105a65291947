import type { AlertSignal, ParsedEntry, Refusal } from './source.ts';
import type { Link } from './alert.ts';
import { found, isObject } from '../lib/found.ts';
import { label, readLabels } from '../lib/labels.ts';
import { timeOrNull } from '../lib/times.ts';
import { webLinks } from './web-link.ts';

/**
 * The alert as Alertmanager's webhook wrote it first and others copied it
 * (Grafana, vendors' compatible senders): status, labels, annotations, times,
 * fingerprint. What only one of them has is the adapter's business.
 */

/** More alerts than any real group has; bounds the work and the answer of one request. */
const mostAlerts = 100_000;

/** The entries of an `alerts` array in its order, each read by itself. Null is what Go writes for an empty list. */
export function readAlerts(
  alerts: unknown,
  read: (alert: Record<string, unknown>, path: string) => ParsedEntry,
): ParsedEntry[] | Refusal {
  if (alerts === null) return [];
  if (!Array.isArray(alerts))
    return { ok: false, reason: `alerts: expected an array, found ${found(alerts)}.` };
  if (alerts.length > mostAlerts) {
    return { ok: false, reason: `alerts: at most ${mostAlerts} in one request, found ${alerts.length}.` };
  }
  return alerts.map((alert: unknown, index) => {
    const path = `alerts[${index}]`;
    if (!isObject(alert)) return { ok: false, reason: `${path}: expected an object, found ${found(alert)}` };
    return read(alert, path);
  });
}

/** What a sender left out for its own limit (`max_alerts`), where it left out any. */
export function readTruncated(count: unknown): { truncatedAlerts?: number } {
  return Number.isSafeInteger(count) && (count as number) > 0 ? { truncatedAlerts: count as number } : {};
}

/** Reads one alert. The status is its own; that of the group says nothing about it. */
export function readSignal(
  alert: Record<string, unknown>,
  path: string,
  more: {
    tenant: string;
    links?: readonly (readonly [rel: Link['rel'], raw: unknown])[];
    values?: AlertSignal['values'];
  },
): ParsedEntry {
  const { status } = alert;
  if (status !== 'firing' && status !== 'resolved') {
    return { ok: false, reason: `${path}.status: expected "firing" or "resolved", found ${found(status)}` };
  }
  const labels = readLabels(alert['labels'], `${path}.labels`);
  if (!labels.ok) return labels;
  const annotations = readLabels(alert['annotations'], `${path}.annotations`, 'as-text');
  if (!annotations.ok) return annotations;
  const fingerprint = readFingerprint(alert['fingerprint']);
  if (fingerprint === null && Object.keys(labels.labels).length === 0) {
    return {
      ok: false,
      reason: `${path}: expected labels or a fingerprint to tell it from others, found neither`,
    };
  }
  const { description } = alert;
  const stateReason = label(annotations.labels, 'grafana_state_reason');
  return {
    ok: true,
    signal: {
      status,
      tenant: more.tenant,
      fingerprint,
      labels: labels.labels,
      annotations: annotations.labels,
      links: alertLinks(alert, annotations.labels, more.links),
      values: more.values ?? null,
      startsAt: timeOrNull(alert['startsAt']),
      endsAt: status === 'resolved' ? timeOrNull(alert['endsAt']) : null,
      expiresAt: null,
      stateReason: stateReason ? stateReason : null,
      explicit:
        typeof description === 'string' && description !== ''
          ? { description: description.toWellFormed() }
          : {},
    },
  };
}

/** Where an alert leads: its generator, the links the adapter knows, its runbook. */
export function alertLinks(
  alert: Record<string, unknown>,
  annotations: Record<string, string>,
  more: readonly (readonly [rel: Link['rel'], raw: unknown])[] = [],
): Link[] {
  return webLinks([
    ['source', alert['generatorURL']],
    ...more,
    ['runbook', label(annotations, 'runbook_url')],
    ['runbook', label(annotations, 'runbook')],
  ]);
}

/** Opaque; whole numbers are taken as their digits, anything else as not given. */
function readFingerprint(value: unknown): string | null {
  if (typeof value === 'string') return value.trim() === '' ? null : value.toWellFormed();
  return Number.isSafeInteger(value) ? String(value) : null;
}
