import type { AlertSource, ParsedDelivery, Refusal, SourceRequest } from '../../alerts/source.ts';
import type { GrafanaSignatureSettings } from './signature.ts';
import { isLegacy, parseLegacy } from './legacy.ts';
import { isObject } from '../../lib/found.ts';
import { parseJsonBody, seenJson } from '../../lib/json-body.ts';
import { parseUnified } from './unified.ts';
import { verifyGrafanaSignature } from './signature.ts';

/** Grafana's webhook contact point: `POST /api/v1/webhooks/grafana`. */
export function createGrafanaSource(settings: GrafanaSignatureSettings): AlertSource {
  return {
    name: 'grafana',
    verify: (request) => verifyGrafanaSignature(settings, request),
    parse: parseGrafana,
  };
}

function parseGrafana(request: SourceRequest): ParsedDelivery | Refusal {
  const body = parseJsonBody(request.rawBody);
  if (!body.ok) return refuse(body.seen);
  if (!isObject(body.value)) return refuse(seenJson(body.value));
  if ('alerts' in body.value) return parseUnified(body.value);
  if (isLegacy(body.value)) return parseLegacy(body.value);
  return refuse(seenJson(body.value));
}

function refuse(seen: string): Refusal {
  return {
    ok: false,
    reason:
      `Expected the default payload of a Grafana webhook contact point (a JSON object with "alerts"), but the body is ${seen}. ` +
      'If the contact point has a custom payload template, remove it; if this is not Grafana, use the address of its own source or POST /api/v1/alerts.',
  };
}
