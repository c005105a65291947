import type {
  AlertSignal,
  AlertSource,
  ParsedDelivery,
  ParsedEntry,
  Refusal,
  SourceRequest,
} from '../../alerts/source.ts';
import { alertLinks } from '../../alerts/read-signal.ts';
import { found, isObject } from '../../lib/found.ts';
import { parseJsonBody, seenJson } from '../../lib/json-body.ts';
import { readLabels } from '../../lib/labels.ts';
import { readTime } from '../../lib/times.ts';

export type AlertmanagerApiSettings = {
  /** How long an alert without an end is believed (Alertmanager's `resolve_timeout`, 300 by default). */
  resolveTimeoutSeconds: number;
};

/** Prometheus sends 256 in a batch. */
const mostAlerts = 100_000;

/**
 * The role of an Alertmanager: `POST /api/v2/alerts`, which Prometheus and
 * Grafana call directly (prometheus/alertmanager, api/v2/api.go and
 * alert/alert.go). The status follows from the end; an alert without one is
 * believed for `resolve_timeout`. One bad alert is refused by itself and the
 * others are kept, as Alertmanager does it; it refuses a whole request for one
 * malformed time or label, which we do not.
 *
 * A missing start stays missing (`startsAt: null`): Alertmanager puts "now" in
 * its place and then keeps the earliest it has seen.
 *
 * Grafana's private labels and annotations (`__alert_rule_uid__`,
 * `__value_string__`, `__dashboardUid__` …) are visible here, unlike in its
 * webhook. They stay as sent, the labels as part of the identity: without them
 * two rules with equal labels would be one alert.
 */
export function createAlertmanagerApiSource(settings: AlertmanagerApiSettings): AlertSource {
  return {
    name: 'alertmanager',
    parse: (request) => parseApi(request, settings.resolveTimeoutSeconds),
  };
}

function parseApi(request: SourceRequest, resolveTimeoutSeconds: number): ParsedDelivery | Refusal {
  const body = parseJsonBody(request.rawBody);
  if (!body.ok) return refuse(body.seen);
  if (!Array.isArray(body.value)) {
    const webhook = isObject(body.value) && 'alerts' in body.value;
    return refuse(
      `${seenJson(body.value)}${webhook ? ', as a webhook_config sends it to /api/v1/webhooks/alertmanager' : ''}`,
    );
  }
  if (body.value.length > mostAlerts)
    return refuse(`an array of ${body.value.length}, where at most ${mostAlerts} are taken`);
  return {
    ok: true,
    entries: body.value.map((alert: unknown, index) =>
      readPosted(alert, `[${index}]`, request.receivedAt, resolveTimeoutSeconds),
    ),
    format: 'Alertmanager API v2',
  };
}

function refuse(seen: string): Refusal {
  return {
    ok: false,
    reason: `Expected a JSON array of alerts (Alertmanager API v2), but the body is ${seen}.`,
  };
}

function readPosted(
  alert: unknown,
  path: string,
  receivedAt: Date,
  resolveTimeoutSeconds: number,
): ParsedEntry {
  if (!isObject(alert)) return refused(path, 'an object', alert);
  const labels = readLabels(alert['labels'], `${path}.labels`);
  if (!labels.ok) return labels;
  const annotations = readLabels(alert['annotations'], `${path}.annotations`, 'as-text');
  if (!annotations.ok) return annotations;
  if (Object.hasOwn(labels.labels, '')) return { ok: false, reason: `${path}.labels: a label name is empty` };
  const named = withoutEmpty(labels.labels);
  if (Object.keys(named).length === 0) {
    return { ok: false, reason: `${path}.labels: expected at least one label with a value, found none` };
  }
  const startsAt = readTime(alert['startsAt']);
  if (!startsAt.ok) return refused(`${path}.startsAt`, 'an RFC 3339 time', alert['startsAt']);
  const endsAt = readTime(alert['endsAt']);
  if (!endsAt.ok) return refused(`${path}.endsAt`, 'an RFC 3339 time', alert['endsAt']);
  if (startsAt.time !== null && endsAt.time !== null && endsAt.time < startsAt.time) {
    return {
      ok: false,
      reason: `${path}.endsAt: ${endsAt.time.toISOString()} is before startsAt ${startsAt.time.toISOString()}`,
    };
  }
  return {
    ok: true,
    signal: {
      ...ending(endsAt.time, receivedAt, resolveTimeoutSeconds),
      tenant: '',
      fingerprint: null,
      labels: named,
      annotations: annotations.labels,
      links: alertLinks(alert, annotations.labels),
      values: null,
      startsAt: startsAt.time,
      stateReason: annotations.labels['grafana_state_reason'] || null,
      explicit: {},
    },
  };
}

/** Over when the end is not after the time of receipt; otherwise believed until then. */
function ending(
  endsAt: Date | null,
  receivedAt: Date,
  resolveTimeoutSeconds: number,
): Pick<AlertSignal, 'status' | 'endsAt' | 'expiresAt' | 'expiryGuessed'> {
  if (endsAt === null) {
    const expiresAt = new Date(receivedAt.getTime() + resolveTimeoutSeconds * 1_000);
    return { status: 'firing', endsAt: null, expiresAt, expiryGuessed: true };
  }
  if (endsAt <= receivedAt) return { status: 'resolved', endsAt, expiresAt: null };
  return { status: 'firing', endsAt: null, expiresAt: endsAt };
}

/** To Prometheus an empty label and a missing one are the same, so they must be to the fingerprint. */
function withoutEmpty(labels: Record<string, string>): Record<string, string> {
  if (!Object.values(labels).includes('')) return labels;
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}

function refused(path: string, expected: string, value: unknown): ParsedEntry {
  return { ok: false, reason: `${path}: expected ${expected}, found ${found(value)}` };
}
