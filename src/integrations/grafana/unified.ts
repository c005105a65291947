import type { ParsedDelivery, ParsedEntry, Refusal } from '../../alerts/source.ts';
import { excerpt, isObject } from '../../lib/found.ts';
import { readAlerts, readSignal, readTruncated } from '../../alerts/read-signal.ts';

/**
 * Grafana's unified alerting (8 and newer), and whatever posts the same shape
 * with another version number. Keys that newer versions add are left alone.
 */
export function parseUnified(body: Record<string, unknown>): ParsedDelivery | Refusal {
  const entries = readAlerts(body['alerts'], (alert, path) => readUnifiedAlert(alert, path, body['orgId']));
  if (!Array.isArray(entries)) return entries;
  const version =
    typeof body['version'] === 'string' ? `version ${excerpt(body['version'], 20)}` : 'no version';
  return {
    ok: true,
    entries,
    format: `Grafana unified alerting, ${version}`,
    ...readTruncated(body['truncatedAlerts']),
  };
}

function readUnifiedAlert(alert: Record<string, unknown>, path: string, groupOrgId: unknown): ParsedEntry {
  return readSignal(alert, path, {
    tenant: orgTenant(alert['orgId'] ?? groupOrgId),
    links: [
      ['silence', alert['silenceURL']],
      ['dashboard', alert['dashboardURL']],
      ['panel', alert['panelURL']],
      ['image', alert['imageURL']],
    ],
    values: readValues(alert['values']),
  });
}

/** The organisation keeps equal fingerprints of one Grafana apart; null in some templated payloads. */
export function orgTenant(orgId: unknown): string {
  return typeof orgId === 'number' || (typeof orgId === 'string' && orgId.length <= 40) ? String(orgId) : '';
}

/** Measured values by query name; null when there are none. */
function readValues(values: unknown): Record<string, number> | null {
  if (!isObject(values)) return null;
  const numbers = Object.entries(values).filter((entry): entry is [string, number] =>
    Number.isFinite(entry[1]),
  );
  return numbers.length === 0 ? null : Object.fromEntries(numbers);
}
